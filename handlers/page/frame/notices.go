package frame

// notices are what a page says after a redirect, by the code in its query: nothing
// else that a link holds is ever shown.
//
//nolint:gosec // texts for people
var notices = map[string]string{
	"image-deleted":     "The image is deleted, with all of its tags.",
	"signed-out":        "You are signed out.",
	"credential-ended":  "The token has ended, and so has what was made with it.",
	"password-changed":  "Your password is changed. Every other login of yours has ended.",
	"session-ended":     "That login has ended.",
	"user-added":        "The user is there. Next: permissions, or a group that has some.",
	"robot-added":       "The robot is there. Next: permissions, and a token under Credentials.",
	"group-added":       "The group is there. Next: members and permissions.",
	"user-removed":      "The user is removed, and everything that it had with it.",
	"robot-removed":     "The robot is removed, and its tokens and bindings with it.",
	"group-removed":     "The group is removed. Its members have what else they were given.",
	"enabled":           "It is enabled.",
	"disabled":          "It is disabled: from now on it gets nothing.",
	"admin-made":        "The user is an admin.",
	"admin-unmade":      "The user is no admin any more.",
	"password-set":      "The password is set. Every login of the user has ended.",
	"member-added":      "The member is in the group.",
	"member-removed":    "The member is out of the group.",
	"permission-grant":  "The permission is given.",
	"permission-revoke": "The permission is taken away.",
	"token-ended":       "The token has ended, and so has what was made with it.",
	"login-ended":       "That login has ended.",
	"logins-ended":      "All of these logins have ended.",
	"state-applied":     "The state is what the document says.",
	"sessions-ended":    "All of your logins have ended, this one too.",
	"issuer-trusted":    "The issuer is trusted. Bindings say which of its jobs stand for which robot.",
	"issuer-refreshed":  "The issuer has answered: these are its keys.",
	"issuer-enabled":    "Tokens of the issuer are taken again.",
	"issuer-disabled":   "Tokens of the issuer are not taken any more, and its sessions have ended.",
	"issuer-removed":    "The issuer is not trusted any more, and its bindings are gone.",
	"binding-made":      "The binding is made. What to paste into the pipeline stands below.",
	"binding-enabled":   "The binding lets jobs in again.",
	"binding-disabled":  "The binding lets nobody in any more, and its sessions have ended.",
	"binding-removed":   "The binding is removed, and its sessions have ended.",
	"lockout-cleared":   "The wrong passwords are forgotten.",
}
