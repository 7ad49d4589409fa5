package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2" //nolint:depguard // for load of chance, which is no secret
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// tokens is what an app gets.
type tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// redeem asks the token endpoint.
func (i *issuer) redeem(ctx context.Context, form url.Values) (t tokens, err error) {
	if i.prover == nil {
		return t, i.post(ctx, i.token, form, nil, &t)
	}
	proof, err := i.prover.proof(i.token)
	if err != nil {
		return t, err
	}
	return t, i.post(ctx, i.token, form, http.Header{"DPoP": {proof}}, &t)
}

// post sends a form as the app, with its secret, and reads the answer.
func (i *issuer) post(ctx context.Context, to string, form url.Values, header http.Header, answer any) error {
	if to == "" {
		return fmt.Errorf("the issuer has no such endpoint")
	}
	if i.SecretInForm || i.Secret == "" {
		form.Set("client_id", i.ClientID)
	}
	if i.SecretInForm && i.Secret != "" {
		form.Set("client_secret", i.Secret)
	}
	req, err := http.NewRequestWithContext(ctx, "POST", to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	for k, v := range header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !i.SecretInForm && i.Secret != "" {
		req.SetBasicAuth(url.QueryEscape(i.ClientID), url.QueryEscape(i.Secret))
	}
	body, err := i.send(req)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s: %w", req.URL.Path, err)
	}
	return nil
}

// elsewhere is the header of a request that comes from an address of its own, as each app and each device would:
// an issuer may allow only so much to each. Signet is told to believe it.
func elsewhere() http.Header {
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], 10<<24|rand.Uint32()>>8)
	return http.Header{"X-Forwarded-For": {netip.AddrFrom4(addr).String()}}
}

// get fetches a URL of the issuer, with an access token unless that is "".
func (i *issuer) get(ctx context.Context, u, bearer string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", u, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	_, err = i.send(req)
	return err
}

// refusal is an answer that is none of 200 and 201.
type refusal struct {
	what   string
	status string
	body   []byte
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s: %.300s", r.what, r.status, r.body) }

func (i *issuer) send(req *http.Request) ([]byte, error) {
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := read(resp)
	if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		err = &refusal{req.Method + " " + req.URL.Path, resp.Status, body}
	}
	return body, err
}

// read reads the whole answer, so that its connection is used again.
func read(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
