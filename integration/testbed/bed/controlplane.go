package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

const etcdURL = "http://127.0.0.1:2379"

// issueAll makes every key, certificate and kubeconfig the cluster needs.
func issueAll(p place, nodes []string) (*authority, error) {
	a, err := newAuthority(p)
	if err != nil {
		return nil, err
	}
	services := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	err = a.issueServer("apiserver", append(services, "localhost", "127.0.0.1", hostIPv4, hostIPv6, "10.96.0.1", "fd00:96::1"))
	err = errors.Join(err, a.issueAccountKeys(), a.issueClient("admin", "admin", "system:masters"))
	for _, component := range []string{"kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		err = errors.Join(err, a.issueClient(component, "system:"+component))
	}
	for _, node := range nodes {
		err = errors.Join(err, a.issueClient("kubelet-"+node, "system:node:"+node, "system:nodes"))
	}
	return a, err
}

func (c *cluster) component(name string, flags ...string) error {
	_, err := c.start(name, append([]string{c.program("controlplane"), name}, flags...))
	return err
}

// startControlPlane returns when the API server is ready.
func (c *cluster) startControlPlane() error {
	a, err := issueAll(c.place, c.nodes)
	if err != nil {
		return err
	}
	peer := "http://127.0.0.1:2380"
	err = c.component("etcd", "--name=only", "--data-dir="+c.file("etcd"), "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=only="+peer)
	if err := errors.Join(err, c.startAPIServer()); err != nil {
		return err
	}
	if err := until("the API server's readiness", time.Minute, a.askReadyz(c.place)); err != nil {
		return fmt.Errorf("%w; %s", err, c.blame("kube-apiserver"))
	}
	// The default limit on requests would let the controllers take four seconds longer to make the first ServiceAccounts.
	return errors.Join(
		c.component("kube-controller-manager", "--kubeconfig="+c.file("kube-controller-manager.kubeconfig"),
			"--service-account-private-key-file="+c.file("sa.key"), "--root-ca-file="+c.file("ca.crt"),
			"--use-service-account-credentials=true", "--leader-elect=false", "--secure-port=0",
			"--kube-api-qps=500", "--kube-api-burst=1000",
			"--controllers=*,-cloud-node-lifecycle-controller,-service-lb-controller,-node-route-controller"),
		c.component("kube-scheduler", "--kubeconfig="+c.file("kube-scheduler.kubeconfig"), "--leader-elect=false", "--secure-port=0"),
	)
}

func (c *cluster) startAPIServer() error {
	return c.component("kube-apiserver",
		"--etcd-servers="+etcdURL, "--bind-address="+hostIPv4, "--advertise-address="+hostIPv4, "--secure-port="+apiPort,
		"--tls-cert-file="+c.file("apiserver.crt"), "--tls-private-key-file="+c.file("apiserver.key"),
		"--client-ca-file="+c.file("ca.crt"), "--service-cluster-ip-range="+serviceCIDRs,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+c.file("sa.pub"), "--service-account-signing-key-file="+c.file("sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--kubelet-client-certificate="+c.file("admin.crt"), "--kubelet-client-key="+c.file("admin.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--audit-policy-file="+c.file("audit.yaml"), "--audit-log-path="+c.file("audit.log"))
}

// askReadyz asks as the administrator.
func (a *authority) askReadyz(p place) func() error {
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	url := "https://" + net.JoinHostPort(hostIPv4, apiPort) + "/readyz"
	return func() error {
		pair, err := tls.LoadX509KeyPair(p.file("admin.crt"), p.file("admin.key"))
		if err != nil {
			return err
		}
		client := http.Client{Timeout: time.Second, Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		}}
		response, err := client.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}
}

// kubectl from inside the cluster's network namespace; its output is in the error only.
func (c *cluster) kubectl(arguments ...string) error {
	arguments = append([]string{"kubectl", "--kubeconfig", c.file("admin.kubeconfig")}, arguments...)
	output, err := exec.Command(c.program("controlplane"), arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}
