package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// row is one input that must be refused or, as a control, accepted, sent to a whole Signet. An id with
// several inputs has several rows and counts once.
type row struct {
	id, name string
	control  bool
	status   int    // of the answer; 0: do has looked at it itself
	reason   string // the app's error, the endpoint's error, or for a page the word in the log; "": there must be none
	event    string // the reason that a login.refused event with the request's ID must give; "": none is looked for
	fresh    bool   // gets a world of its own
	harsh    bool   // could harm the process: an honest login must work right after it
	// do sends it and returns the answer that counts; nil where there is no answer, only what it has seen
	// to itself.
	do func(w *trial) *page
}

// trial is a world while a row is at work in it.
type trial struct {
	*world
	before map[string]int
}

// ready says that what a row needs is there. A refused row must leave behind nothing from here on.
func (w *trial) ready() { w.before = w.counts() }

// group is the rows that share a world.
type group struct {
	name string
	edit []func(string) string // changes the configuration
	rows func() []row
	// start begins the world; nil: newWorld.
	start func(t testing.TB, edit ...func(string) string) *world
}

// groups are all of them.
var groups = []group{
	{name: "authorize", rows: authorizeRows},
	{name: "token", rows: tokenRows, edit: []func(string) string{withOddApp}},
	{name: "refresh", rows: refreshRows},
	{name: "bearer", rows: bearerRows},
	{name: "api", rows: apiRows, edit: []func(string) string{withAPIs}},
	{name: "introspect", rows: introspectRows, edit: []func(string) string{withAPIs}},
	{name: "dpop", rows: dpopRows, edit: []func(string) string{withAPIs}},
	{name: "certificate", rows: certificateRows, edit: []func(string) string{withCertificates}},
	{name: "pairwise", rows: pairwiseRows, edit: []func(string) string{withPairwise}},
	{name: "saml", rows: samlRows},
	{name: "idp-initiated", rows: idpInitiatedRows, edit: []func(string) string{withUnsolicited}},
	{name: "oidc", rows: oidcRows, edit: []func(string) string{withRowProviders}},
	{name: "presets", rows: presetRows, start: newFamousWorld},
	{name: "oauth2", rows: oauth2Rows, start: newSocialWorld},
	{name: "session", rows: sessionRows},
	{name: "logout", rows: logoutRows},
	{name: "notices", rows: noticeRows},
	{name: "slo", rows: sloRows, edit: []func(string) string{withLogout}},
	{name: "edge", rows: edgeRows},
	{name: "guess", rows: guessRows},
	{name: "assertion", rows: assertionRows, edit: []func(string) string{withKeyApps, withLoopback}},
	{name: "par", rows: parRows, edit: []func(string) string{withKeyApps}},
	{name: "request object", rows: requestObjectRows, edit: []func(string) string{withKeyApps}},
	{name: "request by reference", rows: referenceRows, edit: []func(string) string{withReferences, withLoopback}, start: newInsideWorld},
	{name: "exchange", rows: exchangeRows, edit: []func(string) string{withExchange}},
	{name: "device", rows: deviceRows, edit: []func(string) string{withDevices}},
	{name: "consent", rows: consentRows, edit: []func(string) string{withPartner}},
	{name: "registry", rows: registryRows, edit: []func(string) string{withLoopback}},
	{name: "register", rows: registerRows, edit: []func(string) string{withRegistration}},
	{name: "open registration", rows: openRegisterRows, edit: []func(string) string{withOpenRegistration}},
	{name: "full registration", rows: fullRegisterRows, edit: []func(string) string{withFullRegistration}},
	{name: "closed registration", rows: closedRegisterRows},
}

// tally counts ids, not rows.
type tally struct {
	refused, accepted map[string]bool // id: all of its rows have held
	panics, sessions  int
}

func (y *tally) note(r row, held bool) {
	m := y.refused
	if r.control {
		m = y.accepted
	}
	was, known := m[r.id]
	m[r.id] = held && (was || !known)
}

func (y *tally) String() string {
	count := func(m map[string]bool) (held int) {
		for _, ok := range m {
			if ok {
				held++
			}
		}
		return held
	}
	return fmt.Sprintf("%d of %d bad inputs refused, %d of %d controls accepted, %d panics, %d new sessions",
		count(y.refused), len(y.refused), count(y.accepted), len(y.accepted), y.panics, y.sessions)
}

// TestBadInput sends every row and ends with the line that counts them.
func TestBadInput(t *testing.T) {
	y := &tally{refused: map[string]bool{}, accepted: map[string]bool{}}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) { g.run(t, y) })
	}
	fmt.Println(y)
}

func (g *group) run(t *testing.T, y *tally) {
	shared := g.world(t)
	for _, r := range g.rows() {
		held := t.Run(r.id+" "+r.name, func(t *testing.T) {
			w := shared
			if r.fresh {
				w = g.world(t)
			}
			defer func(was testing.TB) { w.t = was }(w.t)
			w.t = t
			r.run(w, y)
			if r.fresh {
				w.closeCleanly(y)
			}
		})
		y.note(r, held)
	}
	shared.closeCleanly(y)
}

// world starts the group's world, with the accounts that rows use.
func (g *group) world(t testing.TB) *world {
	start := g.start
	if start == nil {
		start = newWorld
	}
	w := start(t, g.edit...)
	w.addAccount("ann", "ann@acme.example")
	w.addAccount("bob", "bob@acme.example")
	w.db() // open for as long as the world is
	return w
}

// closeCleanly looks at what a world's rows leave behind: it still works, has met no panic but those that
// were planned, and its log tells no secret.
func (w *world) closeCleanly(y *tally) {
	w.t.Helper()
	w.alive()
	log := w.log.String()
	if n := strings.Count(log, `"msg":"panic"`) - strings.Count(log, `"panic":"`+plannedPanic+`"`); n > 0 {
		y.panics += n
		w.t.Errorf("%d panics\n%s", n, log)
	}
	told := secretsIn(log)
	for _, s := range told {
		w.t.Errorf("the log tells a secret: %s", s)
	}
	y.note(row{id: "P-196"}, len(told) == 0)
}

// plannedPanic is what a row panics with to see what comes of it.
const plannedPanic = "planned"

// alive is an honest login.
func (w *world) alive() {
	w.t.Helper()
	w.offset.Store(0)
	w.globex.Honest()
	if a := w.tokens(webApp, "globex", "ann"); a.ID == "" {
		w.t.Fatal("an honest login gives no ID token")
	}
}

func (r row) run(world *world, y *tally) {
	t := world.t
	w := &trial{world: world}
	w.ready()
	defer world.offset.Store(0)
	p := r.do(w)
	if p != nil {
		r.check(w, p)
	}
	if after := w.counts(); !r.control && !maps.Equal(w.before, after) {
		y.sessions += max(0, after["sessions"]-w.before["sessions"])
		t.Errorf("rows are %v, were %v", after, w.before)
	}
	if r.harsh {
		w.alive()
	}
}
