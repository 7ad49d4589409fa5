package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
)

// Metrics are what Prometheus reads. Labels hold only what is registered, never what came in.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	events   *prometheus.CounterVec
	expires  *prometheus.GaugeVec
	problems *prometheus.GaugeVec
	notices  *prometheus.CounterVec
}

// NewMetrics returns empty metrics.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signet_http_request_seconds", Help: "How long requests took, by endpoint and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint", "status"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_events_total", Help: "What became of logins, by type of event, provider and reason.",
		}, []string{"type", "provider", "reason"}),
		expires: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signet_provider_expires_timestamp_seconds", Help: "When something of a provider stops working: certificate, secret, metadata.",
		}, []string{"provider", "what"}),
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signet_provider_problem", Help: "1 where the last inspection of a provider found something wrong, else 0.",
		}, []string{"provider", "what"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_logout_notices_total", Help: "Tries to tell an app of an ended session: delivered, failed (tried again), undelivered (given up).",
		}, []string{"app", "result"}),
	}
	m.registry.MustRegister(m.requests, m.events, m.expires, m.problems, m.notices, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Event counts an event.
func (m *Metrics) Event(e broker.Event) { m.events.WithLabelValues(e.Type, e.Provider, e.Reason).Inc() }

// Inspected shows what an inspection of a provider has found, the nearest expiry of each sort.
func (m *Metrics) Inspected(provider string, found []providers.Finding) {
	labels := prometheus.Labels{"provider": provider}
	m.expires.DeletePartialMatch(labels)
	m.problems.DeletePartialMatch(labels)
	nearest, wrong := map[string]time.Time{}, map[string]float64{}
	for _, f := range found {
		if e := nearest[f.Name]; !f.Expires.IsZero() && (e.IsZero() || f.Expires.Before(e)) {
			nearest[f.Name] = f.Expires
		}
		if wrong[f.Name] += 0; f.Problem != "" {
			wrong[f.Name] = 1
		}
	}
	for what, e := range nearest {
		m.expires.WithLabelValues(provider, what).Set(float64(e.Unix()))
	}
	for what, n := range wrong {
		m.problems.WithLabelValues(provider, what).Set(n)
	}
}

// Notice counts a try to tell an app of an ended session.
func (m *Metrics) Notice(app, result string) { m.notices.WithLabelValues(app, result).Inc() }

// Handler answers in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *Metrics) request(endpoint string, status int, took time.Duration) {
	if endpoint == "" {
		endpoint = "none"
	}
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Observe(took.Seconds())
}
