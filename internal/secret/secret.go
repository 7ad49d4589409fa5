// Package secret has a string that cannot be shown by accident.
package secret

import "log/slog"

// String is a secret from the configuration. Formatting, JSON and logs show "[secret]".
// Reveal is the one way to its value.
type String string

const shown = "[secret]"

func (String) String() string               { return shown }
func (String) GoString() string             { return shown }
func (String) MarshalText() ([]byte, error) { return []byte(shown), nil }
func (String) LogValue() slog.Value         { return slog.StringValue(shown) }
func (s String) Reveal() string             { return string(s) }
