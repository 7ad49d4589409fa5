package awskms_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/awskms"
	"github.com/signet-broker/signet/internal/kmstest"
	"github.com/signet-broker/signet/providers"
)

const region = "eu-central-1"

var digest = sha256.Sum256([]byte("a token"))

func TestSignaturesAreTheKeys(t *testing.T) {
	s := kmstest.Start(t)
	c := awskms.New(s.URL)
	rsaKey, ecKey := s.NewRSA(t, region), s.NewEC(t, "us-gov-west-1")
	for alg, arn := range map[string]string{"RS256": rsaKey, "PS256": rsaKey, "ES256": ecKey} {
		public, err := c.Public(t.Context(), arn)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		signature, err := c.Sign(t.Context(), arn, alg, digest[:])
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		good := false
		switch k := public.(type) {
		case *ecdsa.PublicKey:
			good = ecdsa.VerifyASN1(k, digest[:], signature)
		case *rsa.PublicKey:
			if alg == "PS256" {
				good = rsa.VerifyPSS(k, crypto.SHA256, digest[:], signature, nil) == nil
			} else {
				good = rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature) == nil
			}
		}
		if !good {
			t.Errorf("%s: the signature is not good", alg)
		}
	}
}

// TestEveryFaultIsOneSentence: what to do about it is in the log, and the app is told to come again.
func TestEveryFaultIsOneSentence(t *testing.T) {
	s := kmstest.Start(t)
	arn := s.NewEC(t, region)
	for code, want := range map[string]string{
		"AccessDeniedException":       "does not allow kms:Sign with " + arn,
		"NotFoundException":           "has no key " + arn,
		"DisabledException":           "is disabled",
		"KMSInvalidStateException":    "in the state that it is in",
		"InvalidKeyUsageException":    "SIGN_VERIFY",
		"ThrottlingException":         "too many requests",
		"UnrecognizedClientException": "does not know the credentials",
		"ExpiredTokenException":       "have expired",
		"InvalidSignatureException":   "its clock",
		"SomethingNewException":       "has refused kms:Sign with " + arn + ": SomethingNewException",
	} {
		s.Fail(http.StatusBadRequest, code)
		_, err := awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
		refused(t, code, err, want)
	}
	s.Fail(http.StatusInternalServerError, "KMSInternalException")
	_, err := awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
	refused(t, "500", err, "KMSInternalException")
	s.Drop()
	_, err = awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
	refused(t, "a broken connection", err, "AWS KMS in "+region+" cannot be reached")
	s.Fail(0, "")
	if _, err := awskms.New(s.URL).Public(t.Context(), s.NewAgreement(t, region)); err == nil || !strings.Contains(err.Error(), "SIGN_VERIFY") {
		t.Errorf("a key for something else: %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	_, err = awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
	refused(t, "a wrong secret", err, "its secret key is wrong, or its clock")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err = awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
	refused(t, "half of the credentials", err, "AWS_SECRET_ACCESS_KEY is not")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_, err = awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
	refused(t, "no credentials", err, "there are no AWS credentials for kms:Sign: this machine has no AWS credentials")
}

func refused(t *testing.T, what string, err error, want string) {
	t.Helper()
	e := providers.AsError(err)
	if err == nil || e.Kind != providers.Unavailable || e.RetryAfter <= 0 || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v (kind %v, retry after %v), want %q", what, err, e.Kind, e.RetryAfter, want)
	}
	if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), kmstest.SecretKey)) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestBusyForAMomentIsTriedAgain(t *testing.T) {
	s := kmstest.Start(t)
	arn := s.NewEC(t, region)
	s.FailTimes(2, http.StatusBadRequest, "ThrottlingException")
	if _, err := awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:]); err != nil || s.Count("Sign") != 3 {
		t.Errorf("Sign = %v after %d tries", err, s.Count("Sign"))
	}
}

func TestSlowEndsInTime(t *testing.T) {
	s := kmstest.Start(t)
	arn := s.NewEC(t, region)
	s.Hang()
	began := time.Now()
	_, err := awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %v", took)
	}
	refused(t, "a hang", err, "cannot be reached")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began = time.Now()
	if _, err := awskms.New(s.URL).Sign(ctx, arn, "ES256", digest[:]); err == nil || time.Since(began) > time.Second {
		t.Errorf("a caller that has gone: %v after %v", err, time.Since(began))
	}
}

func TestOnlyKeysOwnNames(t *testing.T) {
	for _, name := range []string{
		"", "alias/signet", "arn:aws:kms:eu-central-1:111122223333:alias/signet", "1234abcd-12ab-34cd-56ef-1234567890ab",
		"arn:aws:s3:eu-central-1:111122223333:key/x", "arn:aws:kms:eu-central-1:111122223333:key/x\n", "arn:aws:kms:x.evil.example/:111122223333:key/x",
	} {
		if region, ok := awskms.Region(name); ok {
			t.Errorf("%q is a key of %q", name, region)
		}
	}
	for _, name := range []string{"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"} {
		if _, ok := awskms.Region(name); !ok {
			t.Errorf("%q is none", name)
		}
	}
}

// TestCredentialsOfAContainer: as ECS and EKS Pod Identity give them, with a token that changes.
func TestCredentialsOfAContainer(t *testing.T) {
	s := kmstest.Start(t)
	arn := s.NewEC(t, region)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of-the-pod"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "of-the-pod" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"t","Expiration":%q}`, kmstest.AccessKey, kmstest.SecretKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer agent.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL+"/v1/credentials")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
	if _, err := awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:]); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/credentials")
	_, err := awskms.New(s.URL).Sign(t.Context(), arn, "ES256", digest[:])
	refused(t, "an agent somewhere", err, "must be https, or http on this machine")
}
