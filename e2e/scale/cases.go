package main

import (
	"context"
	"fmt"
	"net/url"
)

// round is what one server is asked, in order, while it runs. number tells the rounds apart: no subject is met twice.
type round struct {
	*probe
	number int
}

// work is a request, or several that belong together, to be repeated.
type work struct {
	id, title string
	// times is how often it is done in each round.
	times int
	do    func(ctx context.Context, r round, i int) error
}

// coldSubjects is how many subjects ask for a token in each round: as many as the small database has.
const coldSubjects = smallUsers

// busyRobots is how many robots ask for tokens all the time, as in every CI: as many as the small database has.
const busyRobots = 10

// logins is how many users log in with their password in each round.
const logins = 20

// person is one that asks in a round, others in other rounds as long as there are.
func (r round) person(i int) accessToken {
	return r.people[(r.number*coldSubjects+i)%len(r.people)]
}

// listings are what an admin does, first of all.
var listings = []work{
	{"users_first", "list users, first page of 100", 100, func(ctx context.Context, r round, _ int) error {
		return r.list(ctx, "/users", 100, url.Values{})
	}},
	{"users_middle", "list users, page in the middle", 100, func(ctx context.Context, r round, _ int) error {
		return r.list(ctx, "/users", 100, after(r.userNumbered(r.users/2)))
	}},
	{"users_prefix", "list users by prefix, page of 100", 100, func(ctx context.Context, r round, _ int) error {
		name := r.userNumbered(r.users / 2)
		return r.list(ctx, "/users", 100, url.Values{"prefix": {name[:len(name)-2]}})
	}},
	{"users_admin", "list admins", 100, func(ctx context.Context, r round, _ int) error {
		return r.list(ctx, "/users", 1, url.Values{"admin": {"true"}})
	}},
	{"groups_first", "list groups, first page of 40", 100, func(ctx context.Context, r round, _ int) error {
		return r.list(ctx, "/groups", 40, url.Values{})
	}},
	{"groups_middle", "list groups, page in the middle", 100, func(ctx context.Context, r round, _ int) error {
		return r.list(ctx, "/groups", 40, after(r.groupName(r.groups/2)))
	}},
	{"members_first", "members of the largest group, first 50", 20, func(ctx context.Context, r round, _ int) error {
		return r.list(ctx, "/groups/"+staffGroup+"/members", 50, url.Values{})
	}},
	{"members_middle", "members of it, page in the middle", 20, func(ctx context.Context, r round, _ int) error {
		return r.list(ctx, "/groups/"+staffGroup+"/members", 40, after(r.userNumbered(r.users/2)))
	}},
	{"show_group", "show a group", 100, func(ctx context.Context, r round, i int) error {
		path := "/groups/" + r.groupName((r.number*100+i)*r.step%r.groups)
		for _, part := range []string{"", "/members", "/effective-permissions"} {
			if err := r.admin(ctx, path+part, nil, nil); err != nil {
				return err
			}
		}
		return nil
	}},
	{"can_i", "can-i", 200, func(ctx context.Context, r round, i int) error {
		name := r.person(i).owner
		return r.admin(ctx, "/users/"+name+"/can", url.Values{"name": {home(name)}, "actions": {"pull,push"}}, nil)
	}},
}

// asking are what registries' clients do. The first ones warm up what has nothing to do with the database.
var asking = []work{
	{"token_robot", "token, robot with access token", 1000, func(ctx context.Context, r round, i int) error {
		robot := r.robots[i%busyRobots]
		return r.token(ctx, robot.owner, robot.text)
	}},
	{"token_cold", "token, user for the first time", coldSubjects, tokenOfPerson},
	{"token_warm", "token, the same users again", coldSubjects, tokenOfPerson},
	{"login_first", "first login by password after the start", 1, loginOfPerson},
	{"login", "login by password", logins, func(ctx context.Context, r round, i int) error {
		return loginOfPerson(ctx, r, i+1)
	}},
	{"token_password", "token, password still remembered", coldSubjects, func(ctx context.Context, r round, i int) error {
		return loginOfPerson(ctx, r, 1+i%logins)
	}},
}

func tokenOfPerson(ctx context.Context, r round, i int) error {
	person := r.person(i)
	return r.token(ctx, person.owner, person.text)
}

func loginOfPerson(ctx context.Context, r round, i int) error {
	return r.token(ctx, r.person(i).owner, rootPassword)
}

// sweep reads everything there is, once: by pages, for which the cost of each is what counts, and as one document.
func (r round) sweep(ctx context.Context) (pages int, err error) {
	pages, items, err := r.all(ctx, "/users")
	if err == nil && items < r.users {
		err = fmt.Errorf("all pages together list %d users, not %d", items, r.users)
	}
	return pages, err
}

func (r round) export(ctx context.Context) error {
	return r.admin(ctx, "/state", url.Values{"format": {"json"}}, nil)
}
