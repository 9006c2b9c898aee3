//! Whose certificate is believed: those whom given authorities signed, and given certificates themselves.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// Believes who shows one of these certificates, and else whom rustls believes by them as authorities.
///
/// Only as authorities, rustls believes no server that shows one that is its own authority, as `openssl req -x509` makes it
/// (RFC 5280 knows no end of a chain that may sign), and none that shows one without its issuer being there.
///
/// To believe a certificate that is the same byte for byte is no less safe: whoever shows it also signs the handshake with
/// its key, which is verified like any other, and the operator named this very certificate. Name and validity are looked at
/// as ever. Whoever has the key of an authority could show anything anyway.
#[derive(Debug)]
pub(super) struct Given {
    certificates: Vec<CertificateDer<'static>>,
    authorities: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Given {
    /// Of certificates and the authorities that are made of them.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>, authorities: RootCertStore) -> Self {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        Self { certificates, authorities, algorithms }
    }
}

impl ServerCertVerifier for Given {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        let signed = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.authorities,
            intermediates,
            now,
            algorithms,
        );
        match signed {
            // Validity is looked at before any of these is said, and tests of ours hold on to that.
            Err(Error::InvalidCertificate(ref why))
                if self.certificates.contains(end_entity) && is_about_its_signer(why) => {}
            other => other?,
        }
        verify_server_name(&parsed, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether all that is wrong with it is who signed it, or that it may sign itself.
pub fn is_about_its_signer(why: &CertificateError) -> bool {
    match why {
        CertificateError::UnknownIssuer => true,
        // The only one of those that have no name of their own; its type is of a crate that rustls hides.
        CertificateError::Other(other) => format!("{:?}", other.0) == "CaUsedAsEndEntity",
        _ => false,
    }
}
