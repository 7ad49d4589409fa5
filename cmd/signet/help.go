package main

// What `signet COMMAND --help` says beside the flags: an example for each command.

// Help implements kong's HelpProvider.
func (*serveCommand) Help() string {
	return `Examples:
  signet serve                                  with signet.yaml of this folder
  signet serve -c /etc/signet.yaml --log-level warn

SIGTERM stops it without a failed request; the log is JSON on standard error.`
}

// Help implements kong's HelpProvider.
func (*checkCommand) Help() string {
	return `Examples:
  signet check -c /etc/signet.yaml              exit 1 and one line per fault: file:line: key: what is wrong
  signet check --json | jq .providers           what would be served, for a program`
}

// Help implements kong's HelpProvider.
func (*userAdd) Help() string {
	return `Examples:
  signet user add --username ann --email ann@example.com --name "Ann Archer"
  pwgen 20 1 | signet user add --username ben --password-stdin --group crew --group mates`
}

// Help implements kong's HelpProvider.
func (*userList) Help() string {
	return `Example:
  signet user list --json | jq -r '.[] | select(.disabled) | .id'`
}

// Help implements kong's HelpProvider.
func (*userShow) Help() string {
	return `Examples:
  signet user show ann
  signet user show ann@example.com --json`
}

// Help implements kong's HelpProvider.
func (*userDisable) Help() string {
	return `Example:
  signet user disable ann@example.com`
}

// Help implements kong's HelpProvider.
func (*userEnable) Help() string {
	return `Example:
  signet user enable ann@example.com`
}

// Help implements kong's HelpProvider.
func (*userPassword) Help() string {
	return `Examples:
  signet user set-password --username ann       makes a password and prints it
  signet user set-password --username ann --password-stdin < password.txt`
}

// Help implements kong's HelpProvider.
func (*keysList) Help() string {
	return `Example:
  signet keys list --json | jq '.[] | select(.status == "active")'`
}

// Help implements kong's HelpProvider.
func (*keysRotate) Help() string {
	return `Example:
  signet keys rotate -c /etc/signet.yaml`
}

// Help implements kong's HelpProvider.
func (*mapTry) Help() string {
	return `Examples:
  signet map try --provider corp --claims claims.json
  signet map try --provider acme-saml --assertion response.xml | jq .user`
}

// Help implements kong's HelpProvider.
func (*versionCommand) Help() string {
	return `Example:
  signet version --json`
}
