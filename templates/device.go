package templates

import "time"

// Device asks for the code that a device shows (RFC 8628 §3.3): the form #device posts user_code from
// #user-code by #submit. With an Answer it says instead that the person can go back to the device: #answer.
type Device struct {
	Action  string
	Code    string        // what the field holds
	Problem string        // "", Wrong or Throttled
	Wait    time.Duration // with Throttled
	Answer  string        // "allowed", "denied", or anything else for none
}

// Device renders the page.
func (p *Pages) Device(pg Page, d Device) ([]byte, error) {
	d.Code = hint(d.Code)
	if d.Answer != "allowed" && d.Answer != "denied" {
		d.Answer = ""
	}
	return p.render("device.html", pg, d)
}

// Place is where and when a device has asked, and what it shows.
type Place struct {
	Code string
	Addr string        // "" when unknown
	Ago  time.Duration // since it has asked
}
