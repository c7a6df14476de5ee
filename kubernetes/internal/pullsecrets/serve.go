package pullsecrets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/tools/leaderelection"
)

// newHandler answers with metrics and health. /healthz fails when a replica holds the lease and
// cannot renew it: it is to be started anew. /readyz fails while what there is to do is not known. It
// says for how many service accounts Dockit gives nothing, and which namespaces of a list cannot be
// read beside others: that alone takes no replica away, for another one would get no more.
func newHandler(registry *prometheus.Registry, m *Metrics, watchdog *leaderelection.HealthzAdaptor) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := watchdog.Check(r); err != nil {
			http.Error(w, "the lease is not renewed: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		unread, others := m.notRead()
		switch leads, filled, failing := m.status(); {
		case !leads:
			fmt.Fprintln(w, "ok: another replica works, or none yet")
		case !filled && !others:
			http.Error(w, "namespaces and service accounts are not read yet"+ofNamespaces(unread), http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, "ok")
			if len(unread) > 0 {
				fmt.Fprintln(w, "but service accounts are not read"+ofNamespaces(unread))
			}
			if failing > 0 {
				fmt.Fprintf(w, "but %d service accounts got no new login at the last attempt: the log says why\n", failing)
			}
		}
	})
	return mux
}

// ofNamespaces names those of a list that are not read.
func ofNamespaces(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " of these namespaces; is each there, with its Role? " + strings.Join(names, ", ")
}

// serve answers until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	const patience = 5 * time.Second
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: 2 * patience, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics and health at %s: %w", listener.Addr(), err)
	}
	return nil
}
