package saml

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// TestCBC (S-141): AES-CBC is taken where the configuration says so, and only in a Response whose signature
// covers the ciphertext.
func TestCBC(t *testing.T) {
	const aes128, aes256 = nsEnc + "aes128-cbc", nsEnc + "aes256-cbc"
	cbc := func(algorithm string, signed bool, sealed func([]byte) []byte) func(*idptest.Answer) {
		return func(a *idptest.Answer) {
			e := a.Encrypt()
			if e.Cipher, e.Sealed = algorithm, sealed; signed {
				s := *a.SignAssertion
				a.SignResponse = &s
			}
		}
	}
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 0x55; return b }
	}
	for _, test := range []struct {
		name   string
		allow  bool
		alter  func(*idptest.Answer)
		reason string
	}{
		{"AES-128", true, cbc(aes128, true, nil), ""},
		{"AES-256", true, cbc(aes256, true, nil), ""},
		{"not allowed", false, cbc(aes128, true, nil), "weak_alg"},
		{"unsigned Response", true, cbc(aes128, false, nil), "weak_alg"},
		{"not in blocks (S-136)", true, cbc(aes128, true, cut(17)), "decrypt_failed"},
		{"not in blocks, and long (S-136)", true, cbc(aes128, true, cut(40)), "decrypt_failed"},
		{"IV alone (S-136)", true, cbc(aes128, true, cut(16)), "decrypt_failed"},
		{"less than an IV (S-136)", true, cbc(aes128, true, cut(7)), "decrypt_failed"},
		{"nothing (S-136)", true, cbc(aes128, true, cut(0)), "decrypt_failed"},
		{"padding changed (S-139)", true, cbc(aes128, true, flip(-17)), "decrypt_failed"},
		{"padding longer than all (S-139)", true, func(a *idptest.Answer) {
			cbc(aes128, true, flip(-17))(a)
			a.Encryption.Plain = func([]byte) []byte { return []byte("x") }
		}, "decrypt_failed"},
		{"XML changed (S-139)", true, cbc(aes128, true, flip(17)), "decrypt_failed"},
		{"triple DES all the same (S-138)", true, cbc(nsEnc+"tripledes-cbc", true, nil), "weak_alg"},
	} {
		b := openTest(t, func(c *Config) { c.AllowCBC = test.allow })
		done, err := b.signIn(t, providers.Attempt{}, test.alter)
		if test.reason == "" && (err != nil || done.Identity.Subject != "peter") {
			t.Errorf("%s: %q, %v, want it accepted", test.name, done.Identity.Subject, err)
		} else if test.reason != "" {
			t.Run(test.name, func(t *testing.T) { wantReason(t, err, test.reason) })
		}
	}
}

// TestChangedCiphertext (S-139): a ciphertext that is not the one which was signed is not decrypted at all.
func TestChangedCiphertext(t *testing.T) {
	b := openTest(t, func(c *Config) { c.AllowCBC = true })
	certificates := b.p.env.Certificates
	asked := 0
	b.p.env.Certificates = func(ctx context.Context, use string) ([]*tls.Certificate, error) {
		asked++
		return certificates(ctx, use)
	}
	attempt, sent := b.begin(t, providers.Attempt{})
	reply := b.answer(t, sent, &idptest.SAMLRow{Alter: func(a *idptest.Answer) {
		a.Encrypt().Cipher = nsEnc + "aes128-cbc"
		s := *a.SignAssertion
		a.SignResponse = &s
		a.Signed = func() {
			value := a.Response.FindElement(".//EncryptedData/CipherData/CipherValue")
			value.SetText("AAAA" + value.Text()[4:])
		}
	}})
	asked = 0 // the fake reads our metadata
	_, err := b.p.Continue(t.Context(), attempt, reply)
	wantReason(t, err, "sig_invalid")
	if asked != 0 {
		t.Errorf("our keys were asked for %d times, want never", asked)
	}
}

// TestNothingIsLearntFromFailures (S-139): which step of a decryption fails shows neither in what a stranger
// sees nor in the time it takes. Each key is tried also where the first one fits.
func TestNothingIsLearntFromFailures(t *testing.T) {
	b := openTest(t, nil)
	ours := []*tls.Certificate{ourKey(), selfSigned("next", 2048), selfSigned("former", 2048), selfSigned("earlier", 2048)}
	b.p.env.Certificates = func(context.Context, string) ([]*tls.Certificate, error) { return ours, nil }
	var took []time.Duration
	for _, alter := range []func(*idptest.Encryption){
		func(e *idptest.Encryption) {
			e.Edit = func(_, key *etree.Element) { // no key fits
				value := key.FindElement("./CipherData/CipherValue")
				value.SetText("AAAA" + value.Text()[4:])
			}
		},
		func(e *idptest.Encryption) { e.Sealed = func(c []byte) []byte { c[len(c)-1] ^= 1; return c } },
	} {
		attempt, sent := b.begin(t, providers.Attempt{})
		reply := b.answer(t, sent, &idptest.SAMLRow{Alter: func(a *idptest.Answer) { alter(a.Encrypt()) }})
		_, err := b.p.Continue(t.Context(), attempt, reply)
		wantReason(t, err, "decrypt_failed")
		if e := providers.AsError(err); e.Status != 0 || e.RetryAfter != 0 {
			t.Errorf("the answer is another one: %+v", e)
		}
		took = append(took, quickest(func() { b.p.Continue(t.Context(), attempt, reply) }, 0))
	}
	if raceEnabled {
		return // its own work is more than the keys'
	}
	if slices.Max(took) > 2*slices.Min(took) {
		t.Errorf("failures take %s: they can be told apart", took)
	}
}

// TestUnwrapped: without a key that fits, the content is decrypted all the same.
func TestUnwrapped(t *testing.T) {
	e := encrypted{cipher: contentCipher{size: 32}, key: []byte("x"), content: make([]byte, 64)}
	if _, err := e.open(nil); err == nil {
		t.Error("open without keys gives a plaintext")
	}
}

// TestRollOver: what is encrypted for any of our certificates is read; the requests are signed with the one
// in use, and the metadata says which is for what.
func TestRollOver(t *testing.T) {
	former, current, next := selfSigned("former", 2048), selfSigned("current", 2048), selfSigned("next", 2048)
	former.Leaf = &x509.Certificate{NotBefore: time.Now().AddDate(-1, 0, 0)}
	b := openTest(t, nil)
	b.p.env.Certificates = func(context.Context, string) ([]*tls.Certificate, error) {
		return []*tls.Certificate{current, next, former}, nil
	}
	for name, cert := range map[string]*tls.Certificate{"former": former, "current": current, "next": next, "ours no more": ourKey()} {
		_, err := b.signIn(t, providers.Attempt{}, func(a *idptest.Answer) { a.Encrypt().Cert = cert.Certificate[0] })
		if name == "ours no more" {
			wantReason(t, err, "decrypt_failed")
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, document, err := b.p.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(document); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, c := range []struct {
		name string
		cert *tls.Certificate
	}{{"former", former}, {"current", current}, {"next", next}} {
		names[base64.StdEncoding.EncodeToString(c.cert.Certificate[0])] = c.name
	}
	var got []string
	for _, k := range doc.FindElements("//KeyDescriptor") {
		got = append(got, attr(k, "use")+" "+names[k.FindElement(".//X509Certificate").Text()])
	}
	want := []string{"signing current", "signing next", "encryption current", "encryption next", "encryption former"}
	if !slices.Equal(got, want) {
		t.Errorf("metadata has %q, want %q", got, want)
	}
}

// TestWantEncrypted: plain assertions are refused where the configuration says so.
func TestWantEncrypted(t *testing.T) {
	b := openTest(t, func(c *Config) { c.WantEncrypted = true })
	_, err := b.signIn(t, providers.Attempt{}, nil)
	wantReason(t, err, "not_encrypted")
	_, err = b.signIn(t, providers.Attempt{}, func(a *idptest.Answer) { a.SignAssertion, a.SignResponse = nil, a.SignAssertion })
	wantReason(t, err, "not_encrypted")
	if _, err := b.signIn(t, providers.Attempt{}, func(a *idptest.Answer) { a.Encrypt() }); err != nil {
		t.Errorf("encrypted: %v", err)
	}
}

// TestOurKeysAreMissing is our fault and not the person's.
func TestOurKeysAreMissing(t *testing.T) {
	b := openTest(t, nil)
	attempt, sent := b.begin(t, providers.Attempt{})
	reply := b.answer(t, sent, &idptest.SAMLRow{Alter: func(a *idptest.Answer) { a.Encrypt() }})
	b.p.env.Certificates = func(context.Context, string) ([]*tls.Certificate, error) { return nil, errors.New("database") }
	_, err := b.p.Continue(t.Context(), attempt, reply)
	if e := providers.AsError(err); e.Kind != providers.Internal {
		t.Errorf("error = %v, want an Internal", err)
	}
}

// FuzzDecrypt feeds plaintexts and ciphertexts to what is behind the key. Whatever is inside: no panic, and
// nobody but peter.
func FuzzDecrypt(f *testing.F) {
	b := openTest(f, nil)
	attempt, sent := b.begin(f, providers.Attempt{})
	b.now = func() time.Time { return attempt.Begun }
	var honest []byte
	b.answer(f, sent, &idptest.SAMLRow{Alter: func(a *idptest.Answer) {
		a.Encrypt().Plain = func(p []byte) []byte { honest = slices.Clone(p); return p }
	}})
	f.Add(honest, []byte{}, false)
	f.Add(honest, []byte("0123456789abcdef0123456789abcdef"), true)
	for _, s := range []string{"", "x", "<x/>", "<!-- -->", "<!DOCTYPE x>", "</p:Response>", "]]>"} {
		f.Add([]byte(s), []byte(s), false)
		f.Add(slices.Concat(honest, []byte(s)), []byte(s), true)
	}
	f.Fuzz(func(t *testing.T, plain, ciphertext []byte, replaced bool) {
		reply := b.answer(t, sent, &idptest.SAMLRow{Alter: func(a *idptest.Answer) {
			e := a.Encrypt()
			e.Plain = func([]byte) []byte { return plain }
			if replaced {
				e.Sealed = func([]byte) []byte { return ciphertext }
			}
		}})
		next, err := b.p.Continue(t.Context(), attempt, reply)
		if err == nil {
			if id := next.(providers.Done).Identity; id.Subject != "peter" || id.Claims["email"] != "peter@initech.example" {
				t.Fatalf("accepted as %q", id.Subject)
			}
			return
		}
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != providers.Invalid || e.Reason == "" {
			t.Fatalf("error = %v, want an Invalid with a reason", err)
		}
	})
}
