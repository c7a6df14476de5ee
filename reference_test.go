package dockit

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/referencetest"
)

// TestReferenceOfMetrics writes down every metric that is registered.
func TestReferenceOfMetrics(t *testing.T) {
	described := regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"), (?:unit: "[^"]*", )?constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constant := regexp.MustCompile(`(\w+)="`)
	rows := make(map[string]string)
	for _, collector := range collectors() {
		kind := ""
		switch collector.(type) {
		case *prometheus.GaugeVec, prometheus.Gauge: // a Gauge has what a Counter has
			kind = "gauge"
		case *prometheus.CounterVec, prometheus.Counter:
			kind = "counter"
		case *prometheus.HistogramVec, prometheus.Histogram:
			kind = "histogram"
		}
		descriptions := make(chan *prometheus.Desc)
		go func() { collector.Describe(descriptions); close(descriptions) }()
		for description := range descriptions {
			match := described.FindStringSubmatch(description.String())
			require.NotNil(t, match, description)
			name, err := strconv.Unquote(match[1])
			require.NoError(t, err)
			help, err := strconv.Unquote(match[2])
			require.NoError(t, err)
			of := kind
			if of == "" { // by the convention that a linter holds
				of = "gauge"
				if strings.HasSuffix(name, "_total") {
					of = "counter"
				}
			}
			var labels []string
			for _, label := range constant.FindAllStringSubmatch(match[3], -1) {
				labels = append(labels, "`"+label[1]+"`")
			}
			for label := range strings.SplitSeq(match[4], ",") {
				if label != "" {
					labels = append(labels, "`"+label+"`")
				}
			}
			assert.NotContains(t, rows, name)
			rows[name] = referencetest.Row("`"+name+"`", of, strings.Join(labels, ", "), referencetest.Cell(help))
		}
	}
	var page strings.Builder
	page.WriteString("Served by `--metrics-listen`, or by Caddy's handler `metrics`, beside those of Go and of Caddy. What is worth an alert is in [operation](../operation.md#health-and-metrics).\n\n")
	page.WriteString(referencetest.Head("metric", "kind", "labels", "meaning"))
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		page.WriteString(rows[name])
	}
	referencetest.Check(t, ".", "metrics.md", "Metrics", page.String())
}

// openAPI is what the page of the admin API takes from its document.
type openAPI struct {
	Info    struct{ Description string }
	Servers []struct{ URL string }
	Paths   map[string]map[string]struct {
		Summary, Description string
		Parameters           []struct {
			Name, In, Description string
			Required              bool
			Schema                schema
		}
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
		Responses map[string]struct {
			Description string
			Content     map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref         string `json:"$ref"`
	Description string
	Type        any
	Format      string
	Enum        []any
	Items       *schema
	Properties  map[string]schema
	Required    []string
	Default     any
	Minimum     *float64
	Maximum     *float64
	MaxLength   *int
	More        json.RawMessage `json:"additionalProperties"`
}

// String is the type as the page has it.
func (s schema) String() string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	}
	kind := ""
	switch of := s.Type.(type) {
	case string:
		kind = of
	case []any:
		var kinds []string
		for _, one := range of {
			if text, ok := one.(string); ok && text != "null" {
				kinds = append(kinds, text)
			}
		}
		kind = strings.Join(kinds, " or ")
	}
	if kind == "array" && s.Items != nil {
		return "list of " + s.Items.String()
	}
	if s.Format != "" {
		kind += " (" + s.Format + ")"
	}
	if len(s.Enum) > 0 {
		var values []string
		for _, value := range s.Enum {
			text, _ := json.Marshal(value)
			values = append(values, "`"+strings.Trim(string(text), `"`)+"`")
		}
		kind += ": " + strings.Join(values, ", ")
	}
	return kind
}

// about says what a value is, and what it may be.
func (s schema) about(description string) string {
	text := referencetest.Cell(description)
	if text == "" {
		text = referencetest.Cell(s.Description)
	}
	add := func(name string, value any) {
		written, _ := json.Marshal(value)
		text = strings.TrimSpace(text + " " + name + ": `" + string(written) + "`.")
	}
	if s.Minimum != nil {
		add("At least", *s.Minimum)
	}
	if s.Maximum != nil {
		add("At most", *s.Maximum)
	}
	if s.MaxLength != nil {
		add("Longest", *s.MaxLength)
	}
	if s.Default != nil {
		add("Default", s.Default)
	}
	return text
}

// TestReferenceOfAdminAPI writes down every operation of the admin API, from the
// document that a server serves.
func TestReferenceOfAdminAPI(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url("/dockit/api/v1/openapi.json"), nil)
	require.NoError(t, err)
	req.SetBasicAuth(rootName, rootPassword)
	resp, err := newClient(t).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var document openAPI
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&document))

	var page strings.Builder
	page.WriteString(document.Info.Description + "\n\nEvery server serves this as an OpenAPI 3.1 document at `/dockit/api/v1/openapi.json`. " +
		"How to ask, and what errors look like, is in [administration](../administration.md#the-admin-api).\n\n## Operations\n")
	require.Len(t, document.Servers, 1)
	operations, base := 0, document.Servers[0].URL
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			operation, there := document.Paths[path][method]
			if !there {
				continue
			}
			operations++
			assert.NotEmpty(t, operation.Summary, "%s %s", method, path)
			page.WriteString("\n### " + strings.ToUpper(method) + " " + base + path + "\n\n" + operation.Summary + "\n")
			if operation.Description != "" {
				page.WriteString("\n" + operation.Description + "\n")
			}
			if len(operation.Parameters) > 0 {
				page.WriteString("\n" + referencetest.Head("parameter", "in", "type", "meaning"))
				for _, p := range operation.Parameters {
					page.WriteString(referencetest.Row("`"+p.Name+"`", p.In, p.Schema.String(), p.Schema.about(p.Description)))
				}
			}
			page.WriteString("\n")
			for _, kind := range slices.Sorted(maps.Keys(operation.RequestBody.Content)) {
				page.WriteString("Body (`" + kind + "`): " + operation.RequestBody.Content[kind].Schema.String() + ".\n")
			}
			for _, status := range slices.Sorted(maps.Keys(operation.Responses)) {
				answer := operation.Responses[status]
				if status == "default" {
					continue
				}
				page.WriteString("Answer " + status + ": ")
				if len(answer.Content) == 0 {
					page.WriteString(strings.TrimSuffix(answer.Description, ".") + ".\n")
				}
				for _, kind := range slices.Sorted(maps.Keys(answer.Content)) {
					page.WriteString(answer.Content[kind].Schema.String() + " (`" + kind + "`).\n")
				}
			}
		}
	}
	assert.Greater(t, operations, 30)
	page.WriteString("\n## Bodies\n")
	for _, name := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
		body := document.Components.Schemas[name]
		page.WriteString("\n### " + name + "\n\n")
		if body.Description != "" {
			page.WriteString(body.Description + "\n\n")
		}
		if len(body.Properties) == 0 {
			page.WriteString(body.String() + "\n")
			continue
		}
		page.WriteString(referencetest.Head("field", "type", "meaning"))
		for _, field := range slices.Sorted(maps.Keys(body.Properties)) {
			of := body.Properties[field]
			written := "`" + field + "`"
			if slices.Contains(body.Required, field) {
				written = "**" + written + "**"
			}
			page.WriteString(referencetest.Row(written, of.String(), of.about("")))
		}
	}
	page.WriteString("\nFields in bold are always there.\n")
	referencetest.Check(t, ".", "admin-api.md", "The admin API", page.String())
}
