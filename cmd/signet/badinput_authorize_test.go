package main

import (
	"net/http"
	"net/url"
)

// asks is a row that sends one authentication request from a browser that nobody has signed in to.
func asks(id, name, app string, with url.Values, status int, reason string) row {
	return row{id: id, name: name, status: status, reason: reason, do: func(w *trial) *page {
		return w.browser().authorize(app, with)
	}}
}

func authorizeRows() []row {
	return []row{
		asks("P-1", "client_id of nobody", "nobody", nil, http.StatusBadRequest, "unknown_app"),
		asks("P-2", "redirect_uri of another site", webApp, url.Values{"redirect_uri": {"https://evil.example/callback"}}, http.StatusBadRequest, "bad_redirect_uri"),
	}
}
