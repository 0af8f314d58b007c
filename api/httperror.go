package api

import (
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// httpStatuses are the statuses of codes; the transcoder has the same.
var httpStatuses = map[codes.Code]int{
	codes.InvalidArgument:   http.StatusBadRequest,
	codes.Unauthenticated:   http.StatusUnauthorized,
	codes.PermissionDenied:  http.StatusForbidden,
	codes.NotFound:          http.StatusNotFound,
	codes.Canceled:          499, // nobody is left to see it
	codes.ResourceExhausted: http.StatusTooManyRequests,
	codes.DeadlineExceeded:  http.StatusGatewayTimeout,
	codes.Unavailable:       http.StatusServiceUnavailable,
}

// writeError answers with an error of statusOf.
func writeError(w http.ResponseWriter, err error) {
	s := status.Convert(err)
	code, ok := httpStatuses[s.Code()]
	if !ok {
		code = http.StatusInternalServerError
	}
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="sluice", charset="UTF-8"`)
	}
	writeFault(w, code, s.Code(), s.Message())
}

// refuse answers what is wrong with HTTP itself.
func refuse(w http.ResponseWriter, httpStatus int, text string) {
	code := codes.Unimplemented
	if httpStatus == http.StatusNotFound {
		code = codes.NotFound
	}
	writeFault(w, httpStatus, code, text)
}

// writeFault writes an error as the transcoder does: google.rpc.Status in JSON.
func writeFault(w http.ResponseWriter, httpStatus int, code codes.Code, message string) {
	h := w.Header()
	for _, name := range []string{"Trailer", "Content-Encoding", "Content-Disposition"} { // of the answer that it was to be
		h.Del(name)
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus)
	body, _ := json.Marshal(struct { //nolint:errchkjson // a number and a string
		Code    codes.Code `json:"code"`
		Message string     `json:"message"`
	}{code, message})
	_, _ = w.Write(append(body, '\n')) // the client is gone: nobody is left to tell
}
