// Package static holds the files that the pages load: style, script and images.
//
// Each file is served under a name that carries its hash, so that a browser may keep it for ever and still
// gets the new one after an update.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed css js img
var files embed.FS

// Prefix is the path that every file is served below.
const Prefix = "/static/"

// The system's table of media types is not asked: it differs between machines.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

type file struct {
	kind string // media type
	etag string
	body []byte
}

var (
	paths  = map[string]string{} // by name, e.g. signet.css
	served = map[string]file{}   // by path
)

func init() {
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return add(path.Base(name), body)
	})
	if err != nil {
		panic(err) // only a faulty build gets here
	}
}

func add(name string, body []byte) error {
	ext := path.Ext(name)
	if types[ext] == "" {
		return fmt.Errorf("static: %s has no media type", name)
	}
	if paths[name] != "" {
		return fmt.Errorf("static: two files are named %s", name)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:8])
	p := Prefix + strings.TrimSuffix(name, ext) + "." + hash + ext
	paths[name] = p
	served[p] = file{kind: types[ext], etag: `"` + hash + `"`, body: body}
	return nil
}

// URL returns the path of a file by its name without folders, e.g. signet.css. It panics when there is no
// such file, which is a fault of the program.
func URL(name string) string {
	p, ok := paths[name]
	if !ok {
		panic("static: there is no file " + name)
	}
	return p
}

// Handler serves the files below Prefix and nothing else: folders and names without the hash are not found.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		f, ok := served[r.URL.Path]
		if !ok {
			http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	})
}
