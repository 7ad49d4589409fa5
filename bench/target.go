package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Verdict is a target and what became of it.
type Verdict struct {
	Subject string  `json:"subject"`
	What    string  `json:"what"`
	Target  float64 `json:"target"`
	Got     float64 `json:"got"`
	Met     bool    `json:"met"`
}

// atMost are the targets for CPU time, in RSA-2048 signatures.
var atMost = map[[2]string]float64{
	{"login", "RS256"}:   3.0,
	{"login", "ES256"}:   1.0,
	{"refresh", "RS256"}: 2.5,
	{"refresh", "ES256"}: 0.4,

	{"client_credentials", "RS256"}: 1.3,
	{"client_credentials", "ES256"}: 0.25,
	{"introspection", "RS256"}:      0.25,
	{"introspection", "ES256"}:      0.25,
}

// samlAtMost is how much more CPU than an OpenID login a SAML login may take.
const samlAtMost = 1.5

const (
	loginRequests = 3
	mostResident  = 60  // MB
	readyWithin   = 300 // ms
)

// judge holds a subject against the targets.
func (s Subject) judge() (all []Verdict) {
	add := func(what string, got, target float64) {
		all = append(all, Verdict{Subject: s.Name, What: what, Target: target, Got: got, Met: got <= target})
	}
	var failed int
	var resident float64
	for _, f := range s.Figures {
		failed += f.Failed
		resident = max(resident, f.Resident)
		if most, ok := atMost[[2]string{f.Operation, f.Tokens}]; ok {
			add(f.Operation+" with "+f.Tokens+", RSA signatures", f.Signatures, most)
		}
	}
	for _, alg := range []string{"RS256", "ES256"} {
		if saml, login := s.cpu("saml", alg), s.cpu("login", alg); saml > 0 && login > 0 {
			add("login by SAML with "+alg+", OpenID logins", saml/login, samlAtMost)
		}
	}
	add("requests a login", float64(s.Requests), loginRequests)
	add("failed operations", float64(failed), 0)
	add("resident MB under load", resident, mostResident)
	if s.Ready != nil {
		add("ms until ready", *s.Ready, readyWithin)
	}
	return all
}

// cpu returns what an operation cost; 0 when it was not measured.
func (s Subject) cpu(operation, tokens string) float64 {
	for _, f := range s.Figures {
		if f.Operation == operation && f.Tokens == tokens {
			return f.CPU
		}
	}
	return 0
}

func targets(w io.Writer, verdicts []Verdict) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "target\tat most\tgot\t")
	for _, v := range verdicts {
		met := "met"
		if !v.Met {
			met = "MISSED"
		}
		fmt.Fprintf(t, "%s: %s\t%.4g\t%.3g\t%s\n", v.Subject, v.What, v.Target, v.Got, met)
	}
	t.Flush()
}
