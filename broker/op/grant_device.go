package op

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

const deviceCode = "urn:ietf:params:oauth:grant-type:device_code"

// DeviceGrant is the device_code grant (RFC 8628 §3.4). Its family belongs to no browser's session: the person
// who has allowed the device may sign out of that browser, and the device goes on.
type DeviceGrant struct {
	Devices *Devices
}

// Type implements Grant.
func (g *DeviceGrant) Type() string { return deviceCode }

func badDevice(format string, args ...any) *Error {
	return oauth("invalid_grant", "the device_code is not valid").because(fmt.Errorf(format, args...))
}

// Authorize implements Grant. A question of a device that still waits costs one read.
func (g *DeviceGrant) Authorize(ctx context.Context, app *broker.App, form url.Values) (token.Authorization, error) {
	secret, err := web.Single(form, "device_code")
	if err != nil {
		return token.Authorization{}, oauth("invalid_request", "device_code must not be repeated")
	}
	now := g.Devices.Provider.Now()
	sum := sha256.Sum256([]byte(secret))
	d, user, err := g.Devices.Store.Device(ctx, sum[:])
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return token.Authorization{}, badDevice("%w", errUnknownCode)
	case err != nil:
		return token.Authorization{}, err
	case d.App != app.ID:
		return token.Authorization{}, badDevice("made for app %q", d.App)
	case d.State == broker.DeviceSpent:
		return token.Authorization{}, badDevice("spent before")
	case d.State == broker.DeviceRefused:
		return token.Authorization{}, oauth("access_denied", "the person did not allow it")
	case d.State == broker.DeviceBurnt || !now.Before(d.Expires):
		return token.Authorization{}, oauth("expired_token", "the codes are not good any more: ask for new ones")
	case d.State == broker.DeviceWaits:
		if !g.Devices.polls.keeps(sum, now) {
			return token.Authorization{}, oauth("slow_down", "wait five seconds longer between two questions")
		}
		return token.Authorization{}, oauth("authorization_pending", "nobody has allowed it yet")
	case d.User == "":
		return token.Authorization{}, badDevice("its user was signed out everywhere since")
	}
	return g.authorization(app, d, user)
}

func (g *DeviceGrant) authorization(app *broker.App, d broker.Device, user broker.User) (token.Authorization, error) {
	var a allowed
	if err := json.Unmarshal(d.Answer, &a); err != nil {
		return token.Authorization{}, fmt.Errorf("device: %w", err)
	}
	now := g.Devices.Provider.Now()
	f := token.Start(broker.NewID(now), app, a.Scope, now, longest(g.Devices.Provider.APIs, app, a.Resources))
	f.User, f.Provider = d.User, d.Provider
	f.AuthTime, f.AMR, f.ACR = time.Unix(a.Auth.Time, 0), a.Auth.AMR, a.Auth.ACR
	return token.Authorization{
		App: app, User: user, Family: f, Resources: a.Resources,
		Commit: func(ctx context.Context) error {
			err := g.Devices.Store.RedeemDevice(ctx, d.Hash, f, broker.Event{
				ID: rand.Text(), Time: now, Type: broker.TokensIssued, User: d.User, App: app.ID, Provider: d.Provider, Detail: "to a device",
			})
			if errors.Is(err, broker.ErrReplay) || errors.Is(err, broker.ErrNotFound) {
				return badDevice("spent, revoked or its user disabled at the same time")
			}
			return err
		},
	}, nil
}
