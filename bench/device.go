package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// device is a program without a browser that waits for its person (RFC 8628 §3.2).
type device struct {
	Code     string `json:"device_code"`
	Filled   string `json:"verification_uri_complete"`
	Interval int    `json:"interval"` // seconds

	next time.Time // when it asks again
}

// wait begins a device's login.
func (i *issuer) wait(ctx context.Context) (d device, err error) {
	err = i.post(ctx, i.devices, url.Values{"scope": {i.Scope}}, elsewhere(), &d)
	d.Interval = max(d.Interval, 5)
	return d, err
}

// ask is a device's question whether it may go on.
func (i *issuer) ask(ctx context.Context, d device) (tokens, error) {
	return i.redeem(ctx, url.Values{"grant_type": {deviceGrant}, "device_code": {d.Code}})
}

// pending is ask while nobody has allowed the device; any other answer is an error.
func (i *issuer) pending(ctx context.Context, d device) error {
	_, err := i.ask(ctx, d)
	var r *refusal
	if !errors.As(err, &r) {
		return errors.Join(errors.New("a device that nobody has allowed was not refused"), err)
	}
	var answer struct{ Error string }
	if json.Unmarshal(r.body, &answer) != nil || answer.Error != "authorization_pending" {
		return err
	}
	return nil
}

// devicePolls are the questions of devices that wait. They come evenly, however fast they are answered.
func (i *issuer) devicePolls(ctx context.Context, _ []tokens) (operation, error) {
	app, all := i.public(), make([]device, i.waiting)
	for n := range all {
		var err error
		if all[n], err = app.wait(ctx); err != nil {
			return nil, err
		}
	}
	interval := time.Duration(all[0].Interval) * time.Second
	for n := range all {
		all[n].next = time.Now().Add(interval * time.Duration(n) / time.Duration(len(all)))
	}
	var mu sync.Mutex
	turn := 0
	return func(ctx context.Context, _ int) error {
		mu.Lock()
		d := &all[turn]
		if early := time.Until(d.next); early > 0 {
			mu.Unlock()
			time.Sleep(early)
			return errEarly
		}
		d.next = time.Now().Add(time.Minute) // nobody else's meanwhile
		turn = (turn + 1) % len(all)
		mu.Unlock()
		err := app.pending(ctx, *d)
		mu.Lock()
		defer mu.Unlock()
		d.next = time.Now().Add(interval) // from the answer on: a question that was late on its way must not be followed too soon
		return err
	}, nil
}

// errEarly says that there was nothing to do.
var errEarly = errors.New("no device may ask yet")

// deviceLogins are whole logins of devices: a code is made, the device asks once in vain, somebody follows the
// address with the code, signs in and allows it, and the device gets its tokens.
func (i *issuer) deviceLogins(context.Context, []tokens) (operation, error) {
	app := i.public()
	return func(ctx context.Context, _ int) error {
		d, err := app.wait(ctx)
		if err != nil {
			return err
		}
		if err := app.pending(ctx, d); err != nil {
			return err
		}
		b, err := app.newBrowser()
		if err != nil {
			return err
		}
		if err := b.allow(ctx, d); err != nil {
			return err
		}
		t, err := app.ask(ctx, d)
		if err == nil && t.Refresh == "" {
			err = errors.New("no refresh token came")
		}
		return err
	}, nil
}

// allow goes from page to page, and presses the first button of each, until there is no form any more.
func (b *browser) allow(ctx context.Context, d device) error {
	req, err := http.NewRequestWithContext(ctx, "GET", d.Filled, nil)
	for range maxHops {
		if err != nil {
			return err
		}
		if req, err = b.follow(ctx, req); errors.Is(err, errNoForm) {
			return nil
		}
	}
	return fmt.Errorf("too many hops")
}
