package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// Report is everything that one run found out.
type Report struct {
	Machine  Machine   `json:"machine"`
	Browsers int       `json:"browsers"`
	Duration float64   `json:"phase_seconds"`
	Subjects []Subject `json:"subjects"`
	Targets  []Verdict `json:"targets,omitempty"`
}

// Subject is one thing that was measured.
type Subject struct {
	Name     string   `json:"name"`
	Requests int      `json:"requests_per_login"`
	Ready    *float64 `json:"ready_ms,omitempty"` // from its start on an existing database until it is ready
	Figures  []Figure `json:"figures"`
}

func newReport(o options) (*Report, error) {
	m, err := thisMachine()
	return &Report{Machine: m, Browsers: o.load.browsers, Duration: o.load.duration.Seconds()}, err
}

// print writes the report for people.
func (r *Report) print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%d CPUs, %s, %s; %d browsers, %gs a phase\n", m.CPUs, m.System, m.Go, r.Browsers, r.Duration)
	fmt.Fprintf(w, "one RSA-2048 signature takes %.2f ms of CPU with nothing beside it, one P-256 signature %.3f ms\n", m.RSA2048, m.P256)
	for _, s := range r.Subjects {
		fmt.Fprintf(w, "\n%s: %d requests a login", s.Name, s.Requests)
		if s.Ready != nil {
			fmt.Fprintf(w, ", ready after %.0f ms", *s.Ready)
		}
		fmt.Fprintln(w)
		s.table(w)
	}
	if len(r.Targets) > 0 {
		fmt.Fprintln(w)
		targets(w, r.Targets)
	}
}

func (s Subject) table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "tokens\toperation\tper second\tp50 ms\tp99 ms\tCPU ms\tRSA ms beside\tRSA signatures\tfailed\tresident MB\tpeak MB\t")
	for _, f := range s.Figures {
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%.2f\t%.2f\t%s\t%s\t%s\t%d\t%s\t%s\t\n", or(f.Tokens, "-"), f.Operation, f.PerSecond, f.P50, f.P99,
			known("%.3f", f.CPU), known("%.2f", f.Unit), known("%.2f", f.Signatures), f.Failed, known("%.0f", f.Resident), known("%.0f", f.Peak))
	}
	t.Flush()
	for _, f := range s.Figures {
		if f.Failed > 0 {
			fmt.Fprintf(w, "  first failed %s: %s\n", f.Operation, f.FirstFailure)
		}
	}
}

// known writes a figure, or a dash where there was no process to ask.
func known(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// save writes the report as JSON, unless path is "".
func (r *Report) save(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// progress says what is going on, where no figure is lost among it.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
