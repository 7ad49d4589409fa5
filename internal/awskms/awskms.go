// Package awskms signs with keys that AWS KMS keeps and never gives out.
//
// Keys are named by their ARN, which names their region too. What goes wrong is told in one sentence that says
// what to do about it, for the log; a stranger gets "unavailable", and may try again.
//
// Read in this order: awskms.go, credentials.go, errors.go.
package awskms

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/signet-broker/signet/internal/egress"
)

const (
	// patience is how long KMS may take, with a second and third try: an app waits for its tokens meanwhile.
	patience = 5 * time.Second
	// attempt is how long one try may take.
	attempt  = 2 * time.Second
	attempts = 3
)

// algorithms are what AWS calls those of JWS (RFC 7518 §3.3 to §3.5).
var algorithms = map[string]types.SigningAlgorithmSpec{
	"RS256": types.SigningAlgorithmSpecRsassaPkcs1V15Sha256,
	"PS256": types.SigningAlgorithmSpecRsassaPssSha256,
	"ES256": types.SigningAlgorithmSpecEcdsaSha256,
}

var arnForm = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]{1,32}):[0-9]{12}:key/[A-Za-z0-9-]{1,64}$`)

// Region returns the region of a key; ok is false for what is no key's ARN. An alias is none: it may stand for
// another key tomorrow, whose public key nobody has seen.
func Region(arn string) (region string, ok bool) {
	m := arnForm.FindStringSubmatch(arn)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// Client signs with keys in KMS. It is safe for many goroutines.
type Client struct {
	endpoint string // "": AWS's own
	http     *http.Client

	mu      sync.Mutex
	regions map[string]*kms.Client
}

// New returns a client that asks an endpoint; "" for that of each key's region. The credentials are those that
// the machine gives to its programs; see credentials.go.
func New(endpoint string) *Client {
	return &Client{endpoint: endpoint, regions: map[string]*kms.Client{}, http: egress.Client(egress.Options{Timeout: attempt})}
}

// in returns the client of a key's region.
func (c *Client) in(arn string) (*kms.Client, error) {
	region, ok := Region(arn)
	if !ok {
		return nil, fmt.Errorf("%q is not the ARN of a KMS key", arn)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.regions[region]; k != nil {
		return k, nil
	}
	k := kms.New(kms.Options{
		Region: region, HTTPClient: c.http, Credentials: aws.NewCredentialsCache(told(machine(region))),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, 300*time.Millisecond
		}),
	}, func(o *kms.Options) {
		if c.endpoint != "" {
			o.BaseEndpoint = &c.endpoint
		}
	})
	c.regions[region] = k
	return k, nil
}

// Public implements keys.Remote.
func (c *Client) Public(ctx context.Context, arn string) (crypto.PublicKey, error) {
	k, err := c.in(arn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &arn})
	if err != nil {
		return nil, explain("kms:GetPublicKey", arn, err)
	}
	if out.KeyUsage != types.KeyUsageTypeSignVerify {
		return nil, fmt.Errorf("AWS KMS key %s is for %s: a key that signs has the usage SIGN_VERIFY", arn, out.KeyUsage)
	}
	public, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("AWS KMS key %s: %w", arn, err)
	}
	return public, nil
}

// Sign implements keys.Remote.
func (c *Client) Sign(ctx context.Context, arn, alg string, digest []byte) ([]byte, error) {
	k, err := c.in(arn)
	if err != nil {
		return nil, err
	}
	spec, ok := algorithms[alg]
	if !ok {
		return nil, errors.New("AWS KMS does not sign with " + alg + " here")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := k.Sign(ctx, &kms.SignInput{KeyId: &arn, Message: digest, MessageType: types.MessageTypeDigest, SigningAlgorithm: spec})
	if err != nil {
		return nil, explain("kms:Sign", arn, err)
	}
	return out.Signature, nil
}
