// Package otlp receives spans as a collector of OpenTelemetry does, by HTTP with protocol buffers, on a loopback address.
package otlp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// maxBody bounds what is taken at once.
const maxBody = 1 << 20

// Receiver keeps the spans that it is sent.
type Receiver struct {
	server *httptest.Server

	mu    sync.Mutex
	spans []*Span
}

// Span is one of them, with the service that sent it.
type Span struct {
	*tracepb.Span
	Service string
}

// NewReceiver runs one until it is closed.
func NewReceiver() *Receiver {
	r := &Receiver{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", r.take)
	r.server = httptest.NewServer(mux)
	return r
}

// Endpoint is what OTEL_EXPORTER_OTLP_ENDPOINT says of it.
func (r *Receiver) Endpoint() string { return r.server.URL }

// Close ends it.
func (r *Receiver) Close() { r.server.Close() }

// Spans are those that have come so far.
func (r *Receiver) Spans() []*Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

func (r *Receiver) take(w http.ResponseWriter, request *http.Request) {
	if request.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not protocol buffers", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// On the wire it is the same as a request of the collector's service, whose package brings gRPC along.
	var sent tracepb.TracesData
	if err := proto.Unmarshal(body, &sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range sent.GetResourceSpans() {
		service := ""
		for _, attribute := range resource.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				service = attribute.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				r.spans = append(r.spans, &Span{Span: span, Service: service})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}
