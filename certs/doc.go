// Package certs is a private authority in a folder, and the certificates that it signs
// for the servers, services, devices and readers of an installation.
//
//	folder, err := certs.Init("certs", 3650*certs.Day)
//	one, err := folder.Issue(certs.Request{Name: "dev-1", Kind: certs.Device, Life: 30 * certs.Day})
//	renewed, err := folder.Renew(certs.Renewal{Before: 10 * certs.Day})
//
// The folder holds ca.crt and ca.key of the authority, and NAME.crt and NAME.key of each
// certificate: PEM, ECDSA P-256 (small devices lack Ed25519), keys in PKCS #8 with
// permissions 0600. A name is given once, whatever its kind: the common name of a
// certificate is the name, and is the user at a broker, the front door and PostgreSQL.
// What the holder may be is a URI, sluice://client/NAME, sluice://device/NAME or
// sluice://service/NAME: the api lets in clients only, the front door the others only.
//
// Nothing is revoked. Certificates are short-lived instead, and renewed.
package certs
