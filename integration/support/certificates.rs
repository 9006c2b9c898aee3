//! Certificates, made on the spot.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};

/// Who signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, both in PEM.
pub struct Certified {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// A new one, with a key that no other has.
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("there is no name to be wrong");
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("it signs itself"))
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for who is called so.
    pub fn certify(&self, names: &[&str]) -> Certified {
        self.certify_until(names, 2999)
    }

    /// The same, which ends with the first day of a year.
    pub fn certify_until(&self, names: &[&str], year: i32) -> Certified {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "certified");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("it is signed").pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}

/// A certificate for who is called so, until a year, that signed itself; as an authority it may sign others too.
pub fn self_signed(names: &[&str], year: i32, is_authority: bool) -> Certified {
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, "self-signed");
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("it signs itself").pem();
    Certified { certificate, key: key.serialize_pem() }
}

/// Puts into a directory what a client needs: whom it believes, and what it shows.
pub fn put(directory: &Path, believed: &Authority, shown: Option<&Certified>) {
    fs::create_dir_all(directory).expect("the test's own directory");
    fs::write(directory.join("ca.pem"), believed.pem()).expect("a file");
    if let Some(shown) = shown {
        fs::write(directory.join("cert.pem"), &shown.certificate).expect("a file");
        fs::write(directory.join("key.pem"), &shown.key).expect("a file");
    }
}
