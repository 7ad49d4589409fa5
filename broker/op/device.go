package op

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
	"github.com/signet-broker/signet/broker/web"
)

// DeviceName is the door's for programs without a browser, in Login.Door.
const DeviceName = "device"

const (
	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second // between two questions of one device
)

// DeviceStore keeps the devices that wait. Errors as in broker.Store.
type DeviceStore interface {
	// AddDevice keeps a device. It may be lost with the machine's power. ErrConflict: another has its code.
	AddDevice(ctx context.Context, d broker.Device) error
	// EnterDevice returns the device that waits with a code, and counts that somebody has typed it. After
	// five times nobody can allow it any more, and it is ErrNotFound.
	EnterDevice(ctx context.Context, code string) (broker.Device, error)
	// Device returns a device, also an answered or expired one that is still known, and the user who has
	// allowed it, by one read.
	Device(ctx context.Context, hash []byte) (broker.Device, broker.User, error)
	// DenyDevice refuses a device that waits. Any other stays as it is, and adds no event.
	DenyDevice(ctx context.Context, hash []byte, e broker.Event) error
	// RedeemDevice spends an allowed device and adds the family that it starts, in one transaction.
	// ErrReplay: it was spent, or is not good any more; ErrNotFound: its user is gone.
	RedeemDevice(ctx context.Context, hash []byte, f token.Family, e broker.Event) error
}

// Devices is the device authorization grant (RFC 8628): a program that cannot open a browser gets a code, and
// a person types it on our page in a browser of their own.
type Devices struct {
	Provider *Provider
	Store    DeviceStore

	asks     limiter // new codes of one app at one address
	browsers limiter // codes typed in one browser
	places   limiter // codes typed at one address
	polls    pace
}

// What may be done in a time, by one app, browser or address of one node. A code has 34 bits.
const (
	maxDevices = 100 // new codes a minute
	maxTyped   = 5   // wrong codes of a browser
	maxPlaces  = 20  // wrong codes of an address
	typing     = 10 * time.Minute
)

// Register adds the endpoints and the door.
func (d *Devices) Register() {
	d.asks.most, d.asks.period = maxDevices, time.Minute
	d.browsers.most, d.browsers.period = maxTyped, typing
	d.places.most, d.places.period = maxPlaces, typing
	d.Provider.Broker.Doors[DeviceName] = d
	s := d.Provider.Site
	s.API("POST /device_authorization", d.authorize)
	s.Page("GET /device", d.show)
	s.Page("POST /device", d.enter)
}

// deviceAnswer is RFC 8628 §3.2's.
type deviceAnswer struct {
	Device    string `json:"device_code"`
	Code      string `json:"user_code"`
	Page      string `json:"verification_uri"`
	Filled    string `json:"verification_uri_complete"`
	ExpiresIn int    `json:"expires_in"` // seconds
	Interval  int    `json:"interval"`   // seconds
}

// deviceRequest is what a device asks for, as its row remembers it.
type deviceRequest struct {
	Scope     []string       `json:"scope"`
	Resources []string       `json:"resources,omitempty"`
	From      broker.Waiting `json:"from"`
}

// authorize is the device authorization endpoint (RFC 8628 §3.1).
func (d *Devices) authorize(w http.ResponseWriter, r *http.Request) {
	answer, err := d.begin(w, r)
	if err != nil {
		d.Provider.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (d *Devices) begin(w http.ResponseWriter, r *http.Request) (deviceAnswer, error) {
	form, err := web.Form(w, r, web.FormLimit)
	if err != nil {
		return deviceAnswer{}, err
	}
	p := d.Provider
	app, err := p.authenticate(r, form)
	if err != nil {
		return deviceAnswer{}, err
	}
	if !app.Uses(deviceCode) {
		return deviceAnswer{}, oauth("unauthorized_client", "the app may not use the device grant")
	}
	addr := web.RequestInfo(r.Context()).Addr
	if err := d.asks.take(callerOf(app.ID, addr), p.Now()); err != nil {
		return deviceAnswer{}, err
	}
	req, err := d.parse(app, form)
	if err != nil {
		return deviceAnswer{}, err
	}
	req.From.Since = p.Now()
	if addr.IsValid() {
		req.From.Addr = addr.String()
	}
	return d.add(r.Context(), app, req)
}

func (d *Devices) parse(app *broker.App, form url.Values) (deviceRequest, error) {
	raw, err := web.Single(form, "scope")
	if err != nil {
		return deviceRequest{}, oauth("invalid_request", "scope must not be repeated")
	}
	asked := strings.Fields(clip(raw, maxScope))
	own, err := d.Provider.resources(app, asked, form["resource"])
	if err != nil {
		return deviceRequest{}, err
	}
	scope := append(granted(app, asked), own.scope...)
	if !app.Uses("refresh_token") {
		scope = slices.DeleteFunc(scope, func(s string) bool { return s == "offline_access" })
	}
	return deviceRequest{Scope: scope, Resources: own.ids}, nil
}

// add keeps a device under a code that no other has.
func (d *Devices) add(ctx context.Context, app *broker.App, req deviceRequest) (deviceAnswer, error) {
	secret, p := rand.Text()+rand.Text(), d.Provider
	hash := sha256.Sum256([]byte(secret))
	device := broker.Device{Hash: hash[:], App: app.ID, Expires: p.Now().Add(deviceLife)}
	err := broker.ErrConflict
	for n := 0; n < 5 && errors.Is(err, broker.ErrConflict); n++ {
		device.Code = newUserCode()
		req.From.Code = shownUserCode(device.Code)
		if device.Data, err = json.Marshal(req); err == nil {
			err = d.Store.AddDevice(ctx, device)
		}
	}
	return deviceAnswer{
		Device: secret, Code: req.From.Code, Page: p.Site.URL("/device"), Filled: p.Site.URL("/device") + "?user_code=" + req.From.Code,
		ExpiresIn: int(deviceLife.Seconds()), Interval: int(deviceInterval.Seconds()),
	}, err
}
