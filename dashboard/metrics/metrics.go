// Package metrics counts what the server does, in the text form that Prometheus reads. Labels are routes, status classes and
// the fixed words of other packages; nothing that a visitor sends ever becomes one.
//
// The handler is not for the public: main serves it on the admin socket or on a listener of its own.
package metrics

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Set is one server's metrics. Its names begin with "footfall_".
type Set struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	panics   prometheus.Counter
}

// New makes a set that knows the process and its requests.
func New() *Set {
	s := &Set{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "footfall_http_request_seconds", Help: "Time to answer requests, the ingestion of events aside.",
			Buckets: []float64{.001, .005, .025, .1, .25, 1, 5, 30},
		}, []string{"route", "status"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "footfall_http_panics_total", Help: "Requests that ended in a panic: each is a bug.",
		}),
	}
	s.registry.MustRegister(s.requests, s.panics, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// Request counts an answered request. route is a pattern of the route table, never the path that was asked for.
func (s *Set) Request(route string, status int, took time.Duration) {
	if s == nil {
		return
	}
	s.requests.WithLabelValues(route, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}

// Panic counts a request that ended in a panic.
func (s *Set) Panic() {
	if s != nil {
		s.panics.Inc()
	}
}

// Gauge adds a value that goes up and down, read when it is asked for. name lacks the prefix.
func (s *Set) Gauge(name, help string, read func() float64) {
	s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "footfall_" + name, Help: help}, read))
}

// Counter adds a value that only grows.
func (s *Set) Counter(name, help string, read func() float64) {
	s.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "footfall_" + name, Help: help}, read))
}

// Counters adds a family of values that only grow, told apart by a label whose values come from a fixed set.
func (s *Set) Counters(name, help, label string, read func() map[string]float64) {
	s.registry.MustRegister(&family{prometheus.NewDesc("footfall_"+name, help, []string{label}, nil), prometheus.CounterValue, read})
}

// Gauges adds a family of values that go up and down, told apart in the same way.
func (s *Set) Gauges(name, help, label string, read func() map[string]float64) {
	s.registry.MustRegister(&family{prometheus.NewDesc("footfall_"+name, help, []string{label}, nil), prometheus.GaugeValue, read})
}

type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() map[string]float64
}

func (f *family) Describe(out chan<- *prometheus.Desc) { out <- f.desc }

func (f *family) Collect(out chan<- prometheus.Metric) {
	values := f.read()
	for _, label := range slices.Sorted(maps.Keys(values)) {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, values[label], label)
	}
}

// Handler serves the metrics.
func (s *Set) Handler() http.Handler { return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}) }
