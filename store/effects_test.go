package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// told writes effects as a person would read them.
func told(e Effects) string {
	var lines []string
	for _, one := range e.Effects {
		lines = append(lines, fmt.Sprintf("+%s -%s u%d r%d %v", one.Gained, one.Lost, one.Users, one.Robots, one.Some))
	}
	return fmt.Sprintf("%s same %d disabled %d", strings.Join(lines, "; "), e.Same, e.Disabled)
}

func TestEffects(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice", "user:bob", "user:carol", "user:off", "robot:ci", "group:dev", "group:ops", "group:gone")
		for group, members := range map[string][]string{"group:dev": {"user:alice", "user:bob", "user:off", "robot:ci"}, "group:ops": {"user:bob"}, "group:gone": {"user:alice"}} {
			for _, member := range members {
				_, err := s.AddMember(t.Context(), ref(t, group), ref(t, member))
				require.NoError(t, err)
			}
		}
		yes := true
		for _, off := range []string{"user:off", "group:gone"} {
			_, err := s.UpdateSubject(t.Context(), ref(t, off), SubjectChange{Disabled: &yes}, 0)
			require.NoError(t, err)
		}
		grant(t, s, "group:ops", "namespace:team:push")
		grant(t, s, "group:gone", "repository:**:*") // gives nothing
		grant(t, s, "robot:ci", "repository:team/**:pull")
		grant(t, s, "group:dev", "repository:lib/**:push,delete", "repository:{username}/**:push")
		grant(t, s, "user:alice", "repository:alice/**:pull")
		grant(t, s, "user:anonymous", "repository:public/*:pull")
		for name, c := range map[string]struct {
			run              func(*Store) (Effects, error)
			left, wantEffect string
		}{
			"grant to a group": {
				try((*Store).GrantEffects, ref(t, "group:dev"), permission(t, "repository:team/**:push")), "repository:team/**:push",
				"+pull,push - u1 r0 [user:alice]; +push - u0 r1 [robot:ci] same 1 disabled 1",
			},
			"in addition": {
				try((*Store).GrantEffects, ref(t, "group:dev"), permission(t, "repository:lib/**:pull")), "repository:lib/**:*",
				" same 3 disabled 1",
			},
			"revoke from a group": {
				try((*Store).RevokeEffects, ref(t, "group:dev"), permission(t, "repository:lib/**:delete")), "repository:lib/**:push",
				"+ -delete u2 r1 [user:alice user:bob robot:ci] same 0 disabled 1",
			},
			"by the name of who asks": {
				try((*Store).RevokeEffects, ref(t, "group:dev"), permission(t, "repository:{username}/**:push")), "",
				"+ -push u1 r0 [user:alice]; + -pull,push u1 r1 [user:bob robot:ci] same 0 disabled 1",
			},
			"to a user": {
				try((*Store).GrantEffects, ref(t, "user:bob"), permission(t, "repository:team/app:*")), "repository:team/app:*",
				"+delete - u1 r0 [user:bob] same 0 disabled 0",
			},
			"to everybody logged in": {
				try((*Store).GrantEffects, subject.Authenticated, permission(t, "repository:public/app:push")), "repository:public/app:push",
				"+push - u3 r1 [user:alice user:bob user:carol robot:ci] same 0 disabled 1",
			},
			"to everybody": {
				try((*Store).RevokeEffects, subject.Anonymous, permission(t, "repository:public/*:pull")), "",
				"+ -pull u4 r1 [user:alice user:anonymous user:bob user:carol robot:ci] same 0 disabled 1",
			},
			"to everybody, by name": {
				try((*Store).GrantEffects, subject.Anonymous, permission(t, "repository:{username}/**:pull")), "repository:{username}/**:pull",
				"+pull - u1 r0 [user:carol] same 4 disabled 1",
			},
			"to a disabled group": {
				try((*Store).GrantEffects, ref(t, "group:gone"), permission(t, "repository:x:pull")), "repository:x:pull",
				" same 0 disabled 1",
			},
		} {
			got, err := c.run(s)
			if assert.NoError(t, err, name) {
				assert.Equal(t, strings.Fields(c.wantEffect), strings.Fields(told(got)), name)
				left := ""
				if got.Permission.Actions != 0 {
					left = got.Permission.String()
				}
				assert.Equal(t, c.left, left, name)
			}
		}
		assert.Equal(t, []string{"repository:lib/**:push,delete", "repository:{username}/**:push"}, held(t, s, "group:dev"), "nothing was done")

		_, err := s.GrantEffects(t.Context(), ref(t, "user:nobody"), permission(t, "repository:x:pull"))
		require.ErrorIs(t, err, ErrNotFound)
		_, err = s.RevokeEffects(t.Context(), ref(t, "group:dev"), permission(t, "repository:x:pull"))
		require.ErrorIs(t, err, ErrNotFound)
		_, err = s.RevokeEffects(t.Context(), ref(t, "group:ops"), permission(t, "namespace:team:pull"))
		require.ErrorIs(t, err, ErrIncluded)
		_, err = s.GrantEffects(t.Context(), ref(t, "group:dev"), access.Permission{})
		require.ErrorIs(t, err, access.ErrInvalidPermission)
	})
}

// try is a change that is looked at, and not made.
func try(look effectsLook, of subject.Ref, p access.Permission) func(*Store) (Effects, error) {
	return func(s *Store) (Effects, error) { return look(s, context.Background(), of, p) }
}

type effectsLook = func(*Store, context.Context, subject.Ref, access.Permission) (Effects, error)

// TestEffectsAreWhatTokensSay guards that a preview says of everybody what the change then does.
func TestEffectsAreWhatTokensSay(t *testing.T) {
	s := onSQLite.open(t)
	create(t, s, "user:alice", "user:bob", "robot:ci", "group:dev", "group:ops")
	for _, pair := range [][2]string{{"group:dev", "user:alice"}, {"group:dev", "robot:ci"}, {"group:ops", "robot:ci"}, {"group:ops", "user:bob"}} {
		_, err := s.AddMember(t.Context(), ref(t, pair[0]), ref(t, pair[1]))
		require.NoError(t, err)
	}
	random := rand.New(rand.NewPCG(7, 7))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	owners := []string{"user:alice", "user:bob", "robot:ci", "group:dev", "group:ops", "user:anonymous", "group:authenticated"}
	can := func(who string, p access.Permission) access.Actions {
		username := ref(t, who).Name
		effective, err := s.EffectivePermissions(t.Context(), ref(t, who))
		require.NoError(t, err)
		var given access.Actions
		for _, e := range effective {
			if e.Covers(username, p) {
				given |= e.Actions.Implied()
			}
		}
		return given
	}
	for range 300 {
		owner := pick(owners...)
		p := permission(t, "repository:"+pick("a", "alice/x", "a/*", "a/**", "**", "{username}/**")+":"+pick("pull", "push", "delete", "*"))
		before := map[string]access.Actions{}
		people := []string{"user:alice", "user:bob", "robot:ci"}
		for _, who := range people {
			before[who] = can(who, p)
		}
		look, do := s.GrantEffects, s.Grant
		if random.IntN(3) == 0 {
			look, do = s.RevokeEffects, s.Revoke
		}
		effects, err := look(t.Context(), ref(t, owner), p)
		_, done := do(t.Context(), ref(t, owner), p)
		require.Equal(t, err == nil, done == nil, "%v, %v", err, done)
		said, happened := map[string]string{}, map[string]string{}
		for _, e := range effects.Effects {
			for _, who := range e.Some {
				said[who.String()] = e.Gained.String() + "/" + e.Lost.String()
			}
		}
		delete(said, subject.Anonymous.String())
		for _, who := range people {
			if after := can(who, p); after != before[who] {
				happened[who] = (after &^ before[who]).String() + "/" + (before[who] &^ after).String()
			}
		}
		require.Equal(t, happened, said, "%s of %s", p, owner)
	}
}
