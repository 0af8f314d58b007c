package api

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"

	"google.golang.org/grpc"
)

// routes returns the handler of all paths. Behind each is the same question who
// calls, first.
func (s *Server) routes(services *grpc.Server) (http.Handler, error) {
	calls, err := transcoder(services)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, answer := range map[string]func(context.Context, *patientWriter, *http.Request) (int64, error){
		pathSensor: s.export, pathEvents: s.events,
	} {
		mux.Handle(path, &endpoint{s, path, answer})
	}
	for path := range restMethods {
		mux.Handle(path, s.admitted("GET "+path, s.strict(path, calls)))
	}
	for name := range services.GetServiceInfo() {
		mux.Handle("/"+name+"/", s.admitted("/"+name, calls))
	}
	mux.Handle("/{$}", s.admitted("GET /", http.HandlerFunc(index)))
	mux.Handle("/", s.admitted("other paths", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing here; / lists what there is")
	})))
	return mux, nil
}

// Paths of streams.
const (
	pathSensor = "/v1/sensor"
	pathEvents = "/v1/events"
)

// index lists the paths.
func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, path := range slices.Sorted(maps.Keys(restMethods)) {
		_, _ = io.WriteString(w, "GET "+path+"\n")
	}
	_, _ = io.WriteString(w, "GET "+pathSensor+"\nGET "+pathEvents+"\nPOST /<service>/<method> of gRPC-Web and Connect\n")
}
