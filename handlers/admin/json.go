package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
)

// strictJSON reads bodies in which names count in their case, each once: what a
// person or a filter in front reads must be what is done.
var strictJSON = huma.Format{
	Marshal:   huma.DefaultJSONFormat.Marshal,
	Unmarshal: unmarshalStrict,
}

func init() {
	// Names in another case are unknown ones, which the schemas refuse.
	huma.ValidateStrictCasing = true
}

// maxDepth is how deep values may stand in each other.
const maxDepth = 100

var errDepth = fmt.Errorf("values stand in each other more than %d deep", maxDepth)

func unmarshalStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := checkNames(decoder, 0); err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// checkNames reads one value, and refuses an object that has a name twice.
func checkNames(decoder *json.Decoder, depth int) error {
	token, err := decoder.Token()
	if err != nil {
		return withoutContent(err)
	}
	opening, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth++; depth > maxDepth {
		return errDepth
	}
	seen := make(map[string]bool)
	for decoder.More() {
		if opening == '{' {
			name, err := decoder.Token()
			if err != nil {
				return withoutContent(err)
			}
			if seen[name.(string)] {
				return fmt.Errorf("the name %.40q is given twice in one object: give it once", name)
			}
			seen[name.(string)] = true
		}
		if err := checkNames(decoder, depth); err != nil {
			return err
		}
	}
	_, err = decoder.Token() // what closes it
	return withoutContent(err)
}

// withoutContent keeps what was sent out of the error.
func withoutContent(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the body is no JSON, from its byte %d on", syntax.Offset)
	}
	return err
}

// onceEach refuses a query in which a parameter stands twice, of which only one
// would count.
func onceEach(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			writeProblem(w, problem(http.StatusBadRequest, adminapi.CodeInvalid, "the query is malformed: separate parameters by &, and escape what stands in them"))
			return
		}
		for name, values := range query {
			if len(values) > 1 {
				writeProblem(w, problem(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("the parameter %.40q is given %d times: give it once", name, len(values))))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
