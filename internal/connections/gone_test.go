package connections

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNothingIsWrittenToWhoHasGone guards that a stream which was reset has no
// answer, and that everybody else has one.
func TestNothingIsWrittenToWhoHasGone(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	request.ProtoMajor = 2
	answer := httptest.NewRecorder()
	w := UnlessGone(answer, request)
	w.WriteHeader(http.StatusAccepted)
	_, err := w.Write([]byte("here"))
	require.NoError(t, err)
	leave()
	_, err = w.Write([]byte("gone"))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, http.StatusAccepted, answer.Code)
	assert.Equal(t, "here", answer.Body.String())
}
