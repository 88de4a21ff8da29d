// A model server for tests of the data plane: it answers every request with the version of the model it serves.
//
// The version is the first line of VERSION in the model's folder (MODEL_DIR, default /mnt/models). A file FAIL there is
// a model that does not load. `?sleep=MS`, `?code=N` and `?bytes=N` make an answer slow, wrong or large.
//
// `app get URL` is the other side: it asks until it gets an answer, prints its version and length, and ends.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "get" {
		get(os.Args[2])
		return
	}
	folder := setting("MODEL_DIR", "/mnt/models")
	if _, err := os.Stat(filepath.Join(folder, "FAIL")); err == nil {
		log.Fatalf("the model in %s does not load", folder)
	}
	content, err := os.ReadFile(filepath.Join(folder, "VERSION"))
	if err != nil {
		log.Fatalf("no model: %v", err)
	}
	version := strings.TrimSpace(strings.SplitN(string(content), "\n", 2)[0])
	server := &http.Server{Addr: ":" + setting("PORT", "8080"), Handler: answer(version)}
	go func() {
		ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		<-ended.Done()
		_ = server.Shutdown(context.Background())
	}()
	log.Printf("model %s on %s", version, server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func answer(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if ms, err := strconv.Atoi(r.URL.Query().Get("sleep")); err == nil {
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Model", version)
		if code, err := strconv.Atoi(r.URL.Query().Get("code")); err == nil && code >= 200 && code < 600 {
			w.WriteHeader(code)
		}
		if size, err := strconv.Atoi(r.URL.Query().Get("bytes")); err == nil {
			_, _ = w.Write(bytes.Repeat([]byte{'x'}, size))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"model_version": version, "path": r.URL.Path, "ready": true})
	}
}

func get(url string) {
	for attempt := 0; attempt < 100; attempt++ {
		if response, err := http.Get(url); err == nil {
			length, err := io.Copy(io.Discard, response.Body)
			if err == nil && response.StatusCode == http.StatusOK {
				fmt.Println(response.Header.Get("X-Model"), length)
				return
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	log.Fatalf("no answer from %s", url)
}
