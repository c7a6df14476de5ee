package client

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// ListOptions narrow a listing.
type ListOptions struct {
	// Prefix keeps only names that begin with it.
	Prefix string
	// Search keeps only names that hold it anywhere, in small or capital letters. Of
	// subjects only.
	Search string
	// Admin and Disabled keep only subjects that are so, or are not. Nil keeps
	// both.
	Admin, Disabled *bool
	// PageSize is how many items to ask for at once. Default:
	// [adminapi.MaxLimit], the most that the server gives.
	PageSize int
}

// Condition is the version that a subject must still have for a change to be
// made, from [adminapi.Subject]. Zero means any. Where it has another one, the
// error is [ErrStale], and nothing was changed.
type Condition int64

func (v Condition) header() string {
	if v == 0 {
		return ""
	}
	return strconv.Quote(strconv.FormatInt(int64(v), 10))
}

// Subjects lists the subjects of one kind by name, the built-in ones among them.
// An error ends it.
func (c *Client) Subjects(ctx context.Context, kind subject.Kind, options ListOptions) iter.Seq2[adminapi.Subject, error] {
	return pages[adminapi.Subject](ctx, c, "/"+kind.Plural(), options)
}

// Subject returns one subject, or [ErrNotFound].
func (c *Client) Subject(ctx context.Context, ref subject.Ref) (adminapi.Subject, error) {
	var found adminapi.Subject
	_, err := c.do(ctx, request{method: http.MethodGet, path: pathOf(ref)}, &found)
	return found, err
}

// CreateUser makes a user. Errors: [ErrExists], [ErrInvalid].
func (c *Client) CreateUser(ctx context.Context, user adminapi.NewUser) (adminapi.Subject, error) {
	return c.create(ctx, subject.User, user)
}

// CreateRobot makes a robot. Errors: [ErrExists], [ErrInvalid].
func (c *Client) CreateRobot(ctx context.Context, robot adminapi.NewSubject) (adminapi.Subject, error) {
	return c.create(ctx, subject.Robot, robot)
}

// CreateGroup makes a group. Errors: [ErrExists], [ErrInvalid].
func (c *Client) CreateGroup(ctx context.Context, group adminapi.NewSubject) (adminapi.Subject, error) {
	return c.create(ctx, subject.Group, group)
}

func (c *Client) create(ctx context.Context, kind subject.Kind, body any) (adminapi.Subject, error) {
	var created adminapi.Subject
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/" + kind.Plural(), body: body}, &created)
	return created, err
}

// Update changes a subject, and returns what it is then. Errors: [ErrNotFound],
// [ErrStale], [ErrKind], [ErrBuiltIn], [ErrLastAdmin], [ErrPasswordNeeded].
func (c *Client) Update(ctx context.Context, ref subject.Ref, change adminapi.SubjectChange, version Condition) (adminapi.Subject, error) {
	var updated adminapi.Subject
	_, err := c.do(ctx, request{method: http.MethodPatch, path: pathOf(ref), body: change, ifMatch: version.header()}, &updated)
	return updated, err
}

// Delete removes a subject with its memberships, permissions and tokens, and the
// bindings of a robot. Errors: [ErrNotFound], [ErrStale], [ErrBuiltIn],
// [ErrLastAdmin].
func (c *Client) Delete(ctx context.Context, ref subject.Ref, version Condition) error {
	_, err := c.Remove(ctx, ref, version)
	return err
}

// Remove is [Client.Delete] that also returns which bindings went with a robot.
func (c *Client) Remove(ctx context.Context, ref subject.Ref, version Condition) (adminapi.Removed, error) {
	var removed adminapi.Removed
	_, err := c.do(ctx, request{method: http.MethodDelete, path: pathOf(ref), ifMatch: version.header()}, &removed)
	return removed, err
}

// SetPassword gives a user a new password, which ends its docker logins. Errors:
// [ErrNotFound], [ErrInvalid], [ErrBuiltIn], [ErrPasswordNeeded].
func (c *Client) SetPassword(ctx context.Context, username, password string) error {
	path := pathOf(subject.Ref{Kind: subject.User, Name: username}) + "/password"
	_, err := c.do(ctx, request{method: http.MethodPut, path: path, body: adminapi.PasswordChange{Password: password}}, nil)
	return err
}

// Members lists the members of a group by name. Error: [ErrNotFound].
func (c *Client) Members(ctx context.Context, group subject.Ref, options ListOptions) iter.Seq2[adminapi.Subject, error] {
	return pages[adminapi.Subject](ctx, c, pathOf(group)+"/members", options)
}

// AddMember puts a user or robot into a group and reports whether it was not
// in there before. Errors: [ErrNotFound], [ErrKind], [ErrBuiltIn].
func (c *Client) AddMember(ctx context.Context, group, member subject.Ref) (added bool, err error) {
	status, err := c.do(ctx, request{method: http.MethodPut, path: memberPath(group, member)}, nil)
	return status == http.StatusCreated, err
}

// RemoveMember takes a user or robot out of a group, or returns [ErrNotFound].
func (c *Client) RemoveMember(ctx context.Context, group, member subject.Ref) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: memberPath(group, member)}, nil)
	return err
}

// Groups lists the groups that a user or robot is in, by name. Error:
// [ErrNotFound].
func (c *Client) Groups(ctx context.Context, member subject.Ref) iter.Seq2[adminapi.Subject, error] {
	return pages[adminapi.Subject](ctx, c, pathOf(member)+"/groups", ListOptions{})
}

func pathOf(ref subject.Ref) string {
	return "/" + ref.Kind.Plural() + "/" + url.PathEscape(ref.Name)
}

func memberPath(group, member subject.Ref) string {
	return pathOf(group) + "/members/" + url.PathEscape(member.String())
}

func pages[T any](ctx context.Context, c *Client, path string, options ListOptions) iter.Seq2[T, error] {
	query := url.Values{}
	for name, value := range map[string]string{"prefix": options.Prefix, "q": options.Search} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, wanted := range map[string]*bool{"admin": options.Admin, "disabled": options.Disabled} {
		if wanted != nil {
			query.Set(name, strconv.FormatBool(*wanted))
		}
	}
	return pagesOf[T](ctx, c, path, query, options.PageSize)
}

// pagesOf reads a listing page by page, as far as the caller goes on. An error
// ends it.
func pagesOf[T any](ctx context.Context, c *Client, path string, query url.Values, size int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := maps.Clone(query)
		query.Set("limit", strconv.Itoa(adminapi.MaxLimit))
		if size > 0 {
			query.Set("limit", strconv.Itoa(size))
		}
		for {
			var page adminapi.List[T]
			if _, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query}, &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			query.Set("cursor", page.NextCursor)
		}
	}
}
