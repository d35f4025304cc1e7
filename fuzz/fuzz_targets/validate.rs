//! Any bytes as an upload: reading them never panics, and a refusal is the uploader's fault, in a short sentence.
#![no_main]

use canopy_rules_host::direct::validate;
use canopy_rules_host::{Manifest, manifest, with_manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|wasm: &[u8]| {
    match validate(wasm) {
        Ok((.., claims)) => {
            let again = with_manifest(wasm, &claims);
            assert_eq!(
                validate(&again).expect("a manifest changes nothing else").2,
                claims
            );
        }
        Err(error) => {
            assert!(error.is_rules_fault(), "{error}");
            assert!(error.to_string().len() < 1000, "{error}");
        }
    }
    // What any bytes claim is read or refused, and a new claim replaces all that were there.
    if manifest(wasm).is_ok() {
        let made = with_manifest(wasm, &Manifest::default());
        assert_eq!(manifest(&made), Ok(Manifest::default()));
    }
});
