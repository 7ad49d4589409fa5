package main

import (
	"encoding/json"
	"testing"
)

func TestConsentsAreShownAndTakenBack(t *testing.T) {
	w := newWorld(t, withPartner)
	_, a := w.consented("ann")
	var shown []shownConsent
	if err := json.Unmarshal([]byte(w.mustRun("user", "consents", "ann@globex.example", "--json")), &shown); err != nil || len(shown) != 1 || shown[0].App != partnerApp || len(shown[0].Scopes) != 3 {
		t.Errorf("user consents = %+v, %v", shown, err)
	}
	w.mustRun("user", "consents", "ann@globex.example", "--revoke", partnerApp)
	if got := w.refresh(partnerApp, a.Refresh); got.Error != "invalid_grant" {
		t.Errorf("refresh afterwards = %d %s", got.status, got.body)
	}
	if out, code := w.command("user", "consents", "ann@globex.example", "--revoke", partnerApp); code != 1 {
		t.Errorf("revoked a second time = %d %s", code, out)
	}
	if out := w.mustRun("user", "consents", "ann@globex.example", "--json"); out != "[]\n" {
		t.Errorf("user consents afterwards = %q", out)
	}
}
