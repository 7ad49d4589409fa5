package awskms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/smithy-go"

	"github.com/signet-broker/signet/providers"
)

// reasons say what AWS's error codes mean here, and what to do. %[1]s is the action, %[2]s the key.
var reasons = map[string]string{ //nolint:gosec // words of errors
	"AccessDeniedException": "AWS KMS does not allow %[1]s with %[2]s: allow it to the role that Signet runs as, in its policy or the key's",
	"NotFoundException":     "AWS KMS has no key %[2]s",
	"DisabledException":     "AWS KMS key %[2]s is disabled: enable it, or name another",
	// A key that is about to be deleted, or whose material is not there.
	"KMSInvalidStateException":    "AWS KMS key %[2]s cannot be used in the state that it is in: it may be about to be deleted",
	"InvalidKeyUsageException":    "AWS KMS key %[2]s is not made for this: a key that signs has the usage SIGN_VERIFY and a key spec of its algorithm",
	"ValidationException":         "AWS KMS key %[2]s is not made for this: a key that signs has the usage SIGN_VERIFY and a key spec of its algorithm",
	"UnsupportedOperation":        "AWS KMS key %[2]s cannot do %[1]s: it is no key that signs",
	"InvalidArnException":         "AWS KMS does not know what %[2]s names: its region and account may be others",
	"ThrottlingException":         "AWS KMS has too many requests from this account: raise the quota of its region",
	"LimitExceededException":      "AWS KMS has too many requests from this account: raise the quota of its region",
	"UnrecognizedClientException": "AWS does not know the credentials of this machine",
	"InvalidClientTokenId":        "AWS does not know the credentials of this machine",
	"ExpiredTokenException":       "the AWS credentials of this machine have expired",
	"InvalidSignatureException":   "AWS does not take the signature of this machine: its secret key is wrong, or its clock",
	"IncompleteSignature":         "AWS does not take the signature of this machine: its secret key is wrong, or its clock",
	"KeyUnavailableException":     "AWS KMS cannot reach the key %[2]s at the moment",
}

// explain says in one sentence why KMS did not do something. Whatever it is, the app may try again later: it can do
// nothing about it, and what it has brought is still good.
func explain(action, arn string, err error) error {
	out := &providers.Error{Kind: providers.Unavailable, Reason: "keys_unavailable", RetryAfter: 5 * time.Second}
	region, _ := Region(arn)
	var api smithy.APIError
	var op *smithy.OperationError
	var none *noCredentials
	switch {
	case errors.As(err, &none):
		out.Err = fmt.Errorf("there are no AWS credentials for %s: %w", action, none)
	case errors.As(err, &api) && reasons[api.ErrorCode()] != "":
		out.Err = fmt.Errorf(reasons[api.ErrorCode()]+" (%[3]s)", action, arn, api.ErrorCode())
	case errors.As(err, &api):
		out.Err = fmt.Errorf("AWS KMS has refused %s with %s: %s", action, arn, api.ErrorCode())
	case errors.Is(err, context.Canceled):
		out.Err = err
	case errors.As(err, &op):
		out.Err = fmt.Errorf("AWS KMS in %s cannot be reached: %w", region, op.Unwrap())
	default:
		out.Err = fmt.Errorf("AWS KMS in %s cannot be reached: %w", region, err)
	}
	return out
}
