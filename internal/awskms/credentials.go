package awskms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// direct goes through no proxy: one that the environment names would see what signs tokens, in plain text even, as
// machines and containers are told theirs by http.
var direct = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })

// machine returns the credentials that AWS gives to the programs of a machine, looked for in the order of AWS's own
// tools: the environment, a web identity (EKS), a container's role (ECS, EKS Pod Identity), the role of an EC2
// instance. Profiles in files are for people at a keyboard, and left out.
func machine(region string) aws.CredentialsProvider {
	env := os.Getenv
	switch {
	case env("AWS_ACCESS_KEY_ID") != "":
		return aws.CredentialsProviderFunc(fromEnvironment)
	case env("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		client := sts.New(sts.Options{Region: region, Credentials: aws.AnonymousCredentials{}, HTTPClient: direct})
		return stscreds.NewWebIdentityRoleProvider(client, env("AWS_ROLE_ARN"), stscreds.IdentityTokenFile(env("AWS_WEB_IDENTITY_TOKEN_FILE")), func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = env("AWS_ROLE_SESSION_NAME")
			if o.RoleSessionName == "" {
				o.RoleSessionName = "signet"
			}
		})
	case env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		return container("http://169.254.170.2" + env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
	case env("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		return container(env("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
	case strings.EqualFold(env("AWS_EC2_METADATA_DISABLED"), "true"):
		return failing(errNone)
	}
	// Without the first version of the service, which any program that can be made to fetch an address reads.
	return ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = imds.New(imds.Options{EnableFallback: aws.FalseTernary, HTTPClient: direct})
	})
}

// noCredentials is why there are none.
type noCredentials struct{ err error }

func (e *noCredentials) Error() string { return e.err.Error() }
func (e *noCredentials) Unwrap() error { return e.err }

// told marks what a provider fails with.
func told(p aws.CredentialsProvider) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c, err := p.Retrieve(ctx)
		if err != nil {
			err = &noCredentials{err}
		}
		return c, err
	})
}

var errNone = errors.New("this machine has no AWS credentials")

func failing(err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, err })
}

func fromEnvironment(context.Context) (aws.Credentials, error) {
	c := aws.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken: os.Getenv("AWS_SESSION_TOKEN"), Source: "environment",
	}
	if !c.HasKeys() {
		return c, fmt.Errorf("%w: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not", errNone)
	}
	return c, nil
}

// container asks the agent of the container's host. Plain HTTP goes to this machine alone: whatever is behind an
// address that somebody has put into the environment would get the token.
func container(address string) aws.CredentialsProvider {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && agent(u.Hostname())) {
		return failing(errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http on this machine"))
	}
	return endpointcreds.New(address, func(o *endpointcreds.Options) {
		o.HTTPClient = direct
		o.AuthorizationToken = os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		if file := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) { // it changes
				token, err := os.ReadFile(file) //nolint:gosec // the operator says where it is
				return string(token), err
			})
		}
	})
}

// agent tells whether a host is this machine, or the address that ECS or EKS has its agent at.
func agent(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost"
	}
	return a.IsLoopback() || a == netip.MustParseAddr("169.254.170.2") || a == netip.MustParseAddr("169.254.170.23") || a == netip.MustParseAddr("fd00:ec2::23")
}
