// Package systemdtest proves that the services are good citizens of systemd and of
// containers: what they tell a service manager, what -healthcheck says of them, and that
// the units of deploy/systemd are right. Its tests run the services as processes of
// their own, on real servers.
package systemdtest
