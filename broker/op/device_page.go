package op

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// show is the page that asks for the code, or says what was answered. A code in the address (RFC 8628 §3.3.1)
// is put into the field, and does nothing before a person has sent it.
func (d *Devices) show(w http.ResponseWriter, r *http.Request) error {
	v, err := d.Provider.Site.Visitor(r)
	if err != nil {
		return err
	}
	d.Provider.Site.Known(w, r, &v)
	page := web.DevicePage{Answer: r.URL.Query().Get("answer")}
	if code := readUserCode(r.URL.Query().Get("user_code")); code != "" {
		page.Code = shownUserCode(code)
	}
	return d.Provider.Site.AskDevice(w, r, v, page)
}

// enter takes the code. It leads to a login like any other, whose person is asked before the device gets
// anything.
func (d *Devices) enter(w http.ResponseWriter, r *http.Request) error {
	p := d.Provider
	v, err := p.Site.Visitor(r)
	if err != nil {
		return err
	}
	form, err := web.Form(w, r, web.FormLimit)
	if err != nil {
		return err
	}
	if err := p.Site.CheckForm(r, v, form.Get("csrf")); err != nil {
		return err
	}
	typed, err := web.Single(form, "user_code")
	if err != nil {
		return err
	}
	device, req, err := d.find(r.Context(), v, typed)
	if e := (*providers.Error)(nil); errors.As(err, &e) && (e.Reason == unknownDevice || e.Kind == providers.Throttled) {
		info := web.RequestInfo(r.Context())
		info.Reason, info.Err = e.Reason, err
		return p.Site.AskDevice(w, r, v, web.DevicePage{Code: typed, Wrong: e.Reason == unknownDevice, Wait: e.RetryAfter})
	} else if err != nil {
		return err
	}
	turn, err := p.Broker.Start(r.Context(), broker.Login{
		Door: DeviceName, App: device.App, Request: req, Scopes: device.scope, Device: &device.from,
	}, v)
	if err != nil {
		web.RequestInfo(r.Context()).Login = turn.Login
		return err
	}
	return p.Site.Turn(w, r, turn)
}

// unknownDevice is the reason of a code that no device waits with.
const unknownDevice = "device_unknown"

// deviceLogin is what a device's login remembers.
type deviceLogin struct {
	Hash      []byte    `json:"hash"`
	Expires   time.Time `json:"expires"`
	Scope     []string  `json:"scope"`
	Resources []string  `json:"resources,omitempty"`
}

// entered is a device whose code was typed.
type entered struct {
	broker.Device
	scope []string
	from  broker.Waiting
}

// find returns the device that waits with a code, and what its login remembers of it. Every code that is typed
// counts until it has turned out to be right: many at once are no way around the limit.
func (d *Devices) find(ctx context.Context, v broker.Visitor, typed string) (entered, json.RawMessage, error) {
	p, now := d.Provider, d.Provider.Now()
	browser, place := caller{app: hex.EncodeToString(v.Browser)}, callerOf("", v.Addr)
	if !place.from.IsValid() {
		place = callerOf("", netip.IPv6Unspecified()) // one for all whose address is unknown
	}
	if err := d.browsers.take(browser, now); err != nil {
		return entered{}, nil, err
	}
	if err := d.places.take(place, now); err != nil {
		return entered{}, nil, err
	}
	unknown := func(format string, args ...any) error { return providers.Refuse(unknownDevice, format, args...) }
	code := readUserCode(typed)
	if code == "" {
		return entered{}, nil, unknown("no code of ours")
	}
	device, err := d.Store.EnterDevice(ctx, code)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return entered{}, nil, unknown("no device waits with this code")
	case err != nil:
		return entered{}, nil, err
	}
	if app := p.Registry.App(device.App); app == nil || !app.Uses(deviceCode) {
		return entered{}, nil, unknown("app %q may not have devices any more", device.App)
	}
	d.browsers.giveBack(browser)
	d.places.giveBack(place)
	var req deviceRequest
	if err := json.Unmarshal(device.Data, &req); err != nil {
		return entered{}, nil, fmt.Errorf("device: %w", err)
	}
	memory, err := json.Marshal(deviceLogin{device.Hash, device.Expires, req.Scope, req.Resources})
	return entered{device, req.Scope, req.From}, memory, err
}
