package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/internal/tokenexchange"
)

// connectionCure is what to do about an answer that did not come, or that no known server gave; empty for another error. Address says
// how to name another address.
func connectionCure(err error, address string) string {
	var (
		unverified *tls.CertificateVerificationError
		hostname   x509.HostnameError
		record     tls.RecordHeaderError
		alert      tls.AlertError
		connection *url.Error
	)
	switch {
	case errors.As(err, &hostname):
		return "its certificate is for other names: " + address + ", or have a certificate made that names this one"
	case errors.As(err, &unverified):
		return "give --ca-file the authority that signed its certificate; nodes have to know that as well"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record), errors.As(err, &alert):
		return "nothing there speaks TLS as it should: " + address
	case errors.As(err, &connection), errors.Is(err, context.DeadlineExceeded):
		return "it cannot be reached from here: see whether it runs, and no firewall or NetworkPolicy is between; else " + address
	default:
		return ""
	}
}

// cureOf is what to do about an exchange that failed, for a robot that was named or not. What kind of failure it is follows from what the answer is,
// and only what a refused token lacks from the sentence of Dockit: its code is invalid_request for all of that.
func (c *command) cureOf(err error, robot string) string {
	const address = "name the address of Dockit with --server"
	refusal, refused := errors.AsType[*tokenexchange.Refusal](err)
	switch {
	case connectionCure(err, address) != "":
		return connectionCure(err, address)
	case errors.Is(err, tokenexchange.ErrNoExchange), !refused:
		return address
	case refusal.Status == http.StatusTooManyRequests:
		return "wait a moment: Dockit, or a proxy before it, slows this address down"
	case refusal.Status >= http.StatusInternalServerError:
		return "look at the log of Dockit, and at its /readyz: it answers, and can do nothing at the moment"
	case refusal.Code == "invalid_target" && strings.HasPrefix(refusal.Message, "unknown service "):
		return "dockit api-server --service has to list what the registry has as REGISTRY_AUTH_TOKEN_SERVICE"
	case refusal.Code == "invalid_target":
		return c.binding(robot)
	default:
		return c.tokenCure(refusal.Message, robot)
	}
}

// tokenCure is what to do about a token that Dockit refuses.
func (c *command) tokenCure(said, robot string) string {
	// What names the issuer, whose URL may be any text, comes before that.
	_, fault, _ := strings.Cut(said, " is refused: ")
	switch fault = cmp.Or(fault, said); {
	case strings.HasPrefix(fault, "the subject_token is no token of an issuer that is trusted"):
		return "dockit-kubernetes trust NAME     # issuer: Dockit does not know this cluster"
	case strings.Contains(fault, "is not known here"):
		return "dockit rbac issuer refresh NAME     # where Dockit reads its keys itself: says why it gets none\n" +
			"dockit-kubernetes trust NAME     # keys: else, those of now; with --static in place of those that Dockit reads"
	case strings.Contains(fault, "ask for a token with"):
		return "give the issuer that audience (dockit-kubernetes trust NAME --audience " + c.audience + "), or kubelets the one that is told"
	case strings.Contains(fault, "compare the clocks"), strings.Contains(fault, "ask for a fresh one"):
		return "compare the clocks of the API server and of Dockit (timedatectl on both): the token is new"
	case strings.HasPrefix(fault, "the token is right, but the robot that it stands for"):
		return "dockit rbac enable robot:" + cmp.Or(robot, "NAME")
	case strings.HasPrefix(fault, "the token is right, but"):
		return c.binding(robot)
	default:
		return "dockit rbac issuer try says more, with a token of the service account"
	}
}

// binding is the command that has the service account stand for a robot.
func (c *command) binding(robot string) string {
	return fmt.Sprintf("dockit rbac binding add NAME --issuer ISSUER --robot robot:%s --claim kubernetes.io/namespace=%s --claim kubernetes.io/serviceaccount/name=%s",
		cmp.Or(robot, "NAME"), c.namespace, c.account)
}
