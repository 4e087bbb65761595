package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// authority signs the cluster's certificates.
type authority struct {
	place
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority leaves its certificate as ca.crt in the state directory.
func newAuthority(p place) (*authority, error) {
	key, err := newKey(p.file("ca.key"))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "doorstep-testbed"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	a := &authority{place: p, certificate: template, key: key}
	der, err := a.sign("ca", template, key)
	if err != nil {
		return nil, err
	}
	a.certificate, err = x509.ParseCertificate(der)
	return a, err
}

// issueServer makes NAME.crt and NAME.key for these DNS names and addresses.
func (a *authority) issueServer(name string, hosts []string) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.issue(name, template)
}

// issueClient makes NAME.crt, NAME.key and NAME.kubeconfig for a user of the API server.
func (a *authority) issueClient(name, user string, groups ...string) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if err := a.issue(name, template); err != nil {
		return err
	}
	return a.writeKubeconfig(name)
}

func (a *authority) issue(name string, template *x509.Certificate) error {
	key, err := newKey(a.file(name + ".key"))
	if err != nil {
		return err
	}
	_, err = a.sign(name, template, key)
	return err
}

func (a *authority) sign(name string, template *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().AddDate(1, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return der, writePEM(a.file(name+".crt"), "CERTIFICATE", der)
}

// issueAccountKeys makes sa.key and sa.pub, with which ServiceAccounts' tokens are signed and checked.
func (a *authority) issueAccountKeys() error {
	key, err := newKey(a.file("sa.key"))
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(a.file("sa.pub"), "PUBLIC KEY", der)
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes JSON, which is YAML too.
func (a *authority) writeKubeconfig(name string) error {
	const only = "testbed"
	type object map[string]any
	text, err := json.MarshalIndent(object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": only,
		"contexts":        []object{{"name": only, "context": object{"cluster": only, "user": only}}},
		"clusters": []object{{"name": only, "cluster": object{
			"server":                "https://" + net.JoinHostPort(hostIPv4, apiPort),
			"certificate-authority": a.file("ca.crt"),
		}}},
		"users": []object{{"name": only, "user": object{
			"client-certificate": a.file(name + ".crt"),
			"client-key":         a.file(name + ".key"),
		}}},
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(a.file(name+".kubeconfig"), text, 0o600)
}
