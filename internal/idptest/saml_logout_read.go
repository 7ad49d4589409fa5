package idptest

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

func readLogout(ctx context.Context, s *SAML, method, rawQuery string, form url.Values) (*SentLogout, error) {
	parameter := "SAMLRequest"
	if form.Has("SAMLResponse") {
		parameter = "SAMLResponse"
	}
	if len(form[parameter]) != 1 || len(form["RelayState"]) > 1 || form.Has("SAMLRequest") && form.Has("SAMLResponse") {
		return nil, errors.New("not exactly one message")
	}
	raw, err := base64.StdEncoding.DecodeString(form.Get(parameter))
	if err != nil {
		return nil, fmt.Errorf("decode message: %w", err)
	}
	if method == http.MethodGet {
		if raw, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), 1<<20)); err != nil {
			return nil, fmt.Errorf("inflate message: %w", err)
		}
	}
	var sent SentLogout
	if err := xml.Unmarshal(raw, &sent); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if to, _, _ := strings.Cut(sent.Destination, "?"); sent.ID == "" || to != s.URL+"/slo" {
		return nil, fmt.Errorf("destination %q is not here", sent.Destination)
	}
	sp, err := s.serviceProvider(ctx, sent.Issuer)
	if err != nil {
		return nil, err
	}
	if len(sp.Role.SLO) == 0 {
		return nil, errors.New("service provider has no SingleLogoutService")
	}
	if method == http.MethodPost {
		return &sent, checkPosted(form.Get(parameter), sp.keys())
	}
	return &sent, CheckRedirect(rawQuery, sp.keys())
}
