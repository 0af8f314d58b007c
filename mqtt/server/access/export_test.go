package access

// What the fuzz tests call.
var (
	ParsePasswords = parsePasswords
	ParseACL       = parseACL
	RightsOf       = (*acl).rights
)
