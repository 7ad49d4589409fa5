package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/templates"
)

// DevicePage is what the page of a waiting device says.
type DevicePage struct {
	Code   string        // what the field holds
	Wrong  bool          // no device waits with that code
	Wait   time.Duration // too many codes were wrong; 0: they were not
	Answer string        // allowed or denied: what the person has just answered; anything else: nothing yet
}

// AskDevice shows the page that asks for a device's code.
func (s *Site) AskDevice(w http.ResponseWriter, r *http.Request, v broker.Visitor, d DevicePage) error {
	status, data := http.StatusOK, templates.Device{Action: s.URL("/device"), Code: d.Code, Answer: d.Answer}
	switch {
	case d.Wait > 0:
		status, data.Problem, data.Wait = http.StatusTooManyRequests, templates.Throttled, d.Wait
		w.Header().Set("Retry-After", strconv.Itoa(int(max(d.Wait, time.Second).Seconds())))
	case d.Wrong:
		status, data.Problem = http.StatusBadRequest, templates.Wrong
	}
	page, err := s.Pages.Device(s.View(r, v, nil), data)
	if err != nil {
		return err
	}
	s.Show(w, status, page)
	return nil
}
