package op

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"
)

const (
	nonceStep = time.Minute     // how often it changes
	nonceAge  = 5 * time.Minute // how long one is good
)

// nonce is one for proofs (RFC 9449 §8): when it was made, and a MAC that only Signet makes. So every node knows
// it, and none keeps it.
func (p *Provider) nonce(at time.Time) (string, error) {
	made := binary.BigEndian.AppendUint64(nil, uint64(at.Truncate(nonceStep).Unix())) //nolint:gosec // the same bits
	mac, err := p.Keys.MAC("dpop nonce", made)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(made, mac[:16]...)), nil
}

// checkNonce refuses a proof whose nonce is missing, old or not ours. Every answer carries the newest.
func (p *Provider) checkNonce(w http.ResponseWriter, sent string) error {
	now := p.Now()
	next, err := p.nonce(now)
	if err != nil {
		return err
	}
	w.Header().Set("DPoP-Nonce", next)
	raw, err := base64.RawURLEncoding.DecodeString(sent)
	if err != nil || len(raw) < 8 {
		return oauth("use_dpop_nonce", "the DPoP proof needs the nonce of this answer")
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(raw)), 0) //nolint:gosec // the same bits
	want, err := p.nonce(made)
	if err != nil {
		return err
	}
	if age := now.Sub(made); age > nonceAge || age < -nonceStep || !hmac.Equal([]byte(want), []byte(sent)) {
		return oauth("use_dpop_nonce", "the DPoP proof needs the nonce of this answer")
	}
	return nil
}
