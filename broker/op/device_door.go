package op

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// Devices is the broker's door for programs without a browser.
var _ broker.Door = (*Devices)(nil)

// allowed is what a device's row remembers of whoever has allowed it.
type allowed struct {
	Scope     []string       `json:"scope"`
	Resources []string       `json:"resources,omitempty"`
	Auth      authentication `json:"auth"`
}

// Finish allows the device, whose person has said yes.
func (d *Devices) Finish(_ context.Context, l broker.Login, s broker.Session) (providers.Next, *broker.Artifact, error) {
	req, err := readDeviceLogin(l)
	if err != nil {
		return nil, nil, err
	}
	if !l.Allowed {
		return nil, nil, providers.Refuse("state_invalid", "login %s: nobody was asked about its device", l.ID)
	}
	if !d.Provider.Now().Before(req.Expires) {
		return nil, nil, providers.Refuse("device_expired", "its code was good until %s", req.Expires)
	}
	data, err := json.Marshal(allowed{req.Scope, req.Resources, authentication{s.AuthTime.Unix(), s.AMR, s.ACR}})
	if err != nil {
		return nil, nil, err
	}
	a := &broker.Artifact{Device: true, Hash: req.Hash, App: l.App, User: s.User, Session: s.ID, Provider: s.Provider, Data: data, Expires: req.Expires}
	return d.answered("allowed"), a, nil
}

// Fail refuses the device.
func (d *Devices) Fail(ctx context.Context, l broker.Login, reason *broker.Error) (providers.Next, error) {
	req, err := readDeviceLogin(l)
	if err != nil {
		return nil, err
	}
	err = d.Store.DenyDevice(ctx, req.Hash, broker.Event{
		ID: rand.Text(), Time: d.Provider.Now(), Type: broker.DeviceDenied, Reason: reason.Reason, App: l.App, Provider: l.Provider, Login: l.ID, Addr: l.Addr,
	})
	return d.answered("denied"), err
}

func (d *Devices) answered(what string) providers.Next {
	return providers.Redirect{URL: d.Provider.Site.URL("/device?answer=" + what)}
}

func readDeviceLogin(l broker.Login) (deviceLogin, error) {
	var req deviceLogin
	if err := json.Unmarshal(l.Request, &req); err != nil {
		return req, fmt.Errorf("login %s: %w", l.ID, err)
	}
	return req, nil
}
