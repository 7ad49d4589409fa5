package templates

// Unsolicited asks whether a person wants to go on to an app after a sign-in that began at a provider. The
// form #unsolicited posts continue=yes from #continue or cancel=yes from #cancel. Declined: the person has
// canceled, and #declined says that nothing has happened.
type Unsolicited struct {
	Action   string
	App      string
	Provider string
	Person   Person // as the provider tells it
	Declined bool
}

// Unsolicited renders the page.
func (p *Pages) Unsolicited(pg Page, d Unsolicited) ([]byte, error) {
	return p.render("unsolicited.html", pg, d)
}
