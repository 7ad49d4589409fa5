package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const certifiedApp = "certified" // its tokens are bound to its certificate

// withCertificates adds it, and a proxy in front that says which certificate a caller has proven.
func withCertificates(text string) string {
	text = strings.Replace(text, "apps:\n", "trusted_proxies: [127.0.0.1]\nclient_certificate_header: X-Cert\napps:\n  - {id: certified, secret: "+appSecret+", redirect_uris: ["+callbackURI+"], certificate_bound: true}\n", 1)
	return text
}

// certificate makes one that nobody has signed: the header's value, and its thumbprint.
func (w *trial) certificate() (header, thumbprint string) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return url.PathEscape(string(text)), base64.RawURLEncoding.EncodeToString(sum[:])
}

// certificateRows are about tokens that are bound to a certificate (RFC 8705 §3).
func certificateRows() []row {
	redeem := func(w *trial, cert string) tokenAnswer {
		form := w.codeForm(certifiedApp, nil)
		w.ready()
		b := w.browser()
		req := b.request(http.MethodPost, "/token", form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(certifiedApp, appSecret)
		if cert != "" {
			req.Header.Set("X-Cert", cert)
		}
		return w.send(req)
	}
	userinfo := func(w *trial, access, cert string) *page {
		w.ready()
		b := w.browser()
		b.header.Set("Authorization", "Bearer "+access)
		if cert != "" {
			b.header.Set("X-Cert", cert)
		}
		return b.get("/userinfo")
	}
	by := func(name string, status int, reason string, cert func(w *trial, own string) string) row {
		return row{id: "P-128", name: name, control: status == http.StatusOK, status: status, reason: reason, do: func(w *trial) *page {
			own, thumbprint := w.certificate()
			a := redeem(w, own)
			var c struct {
				Confirmation map[string]string `json:"cnf"`
			}
			if decodeClaims(w.t, a.Access, &c); c.Confirmation["x5t#S256"] != thumbprint || a.Type != "Bearer" {
				w.t.Errorf("cnf = %v, want %s; token_type %s", c.Confirmation, thumbprint, a.Type)
			}
			return userinfo(w, a.Access, cert(w, own))
		}}
	}
	return []row{
		by("token of a certificate, by none", http.StatusUnauthorized, "invalid_token", func(*trial, string) string { return "" }),
		by("token of a certificate, by another", http.StatusUnauthorized, "invalid_token", func(w *trial, _ string) string { other, _ := w.certificate(); return other }),
		by("token of a certificate, by what is none", http.StatusUnauthorized, "invalid_token", func(*trial, string) string { return "garbage" }),
		by("token of a certificate, by it", http.StatusOK, "", func(_ *trial, own string) string { return own }),
		{id: "P-128", name: "no certificate of an app whose tokens are bound to it", status: http.StatusBadRequest, reason: "invalid_request", do: func(w *trial) *page {
			return redeem(w, "").page(w, "/token")
		}},
		{id: "P-128", name: "certificate of an app whose tokens are not bound", control: true, status: http.StatusOK, do: func(w *trial) *page {
			own, _ := w.certificate()
			return userinfo(w, w.tokens(webApp, "globex", "ann").Access, own)
		}},
	}
}
