//! Choosing instructions and threads.

use flint_kernels::{Compute, Isa};

#[test]
fn names_are_read_back() {
    for isa in [Isa::Scalar, Isa::Avx2, Isa::Avx512] {
        assert_eq!(isa.to_string().parse::<Isa>().unwrap(), isa);
    }
    let error = "sse9".parse::<Isa>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown instruction set 'sse9': expected scalar, avx2 or avx512"
    );
}

#[test]
fn the_best_is_the_last_of_the_available() {
    let available = Isa::available();
    assert_eq!(available.first(), Some(&Isa::Scalar));
    assert_eq!(available.last(), Some(&Isa::best()));
    for isa in available {
        let compute = Compute::new(isa, 2).unwrap();
        assert_eq!((compute.isa(), compute.threads()), (isa, 2));
    }
}

#[test]
fn what_this_cpu_lacks_is_told_to_have_gone_untested() {
    for isa in [Isa::Avx2, Isa::Avx512] {
        if !Isa::available().contains(&isa) {
            flint_fixtures::skip(format_args!("this CPU has no {isa}"));
        }
    }
}

#[test]
fn an_instruction_set_that_the_cpu_lacks_is_refused() {
    for isa in [Isa::Scalar, Isa::Avx2, Isa::Avx512] {
        let made = Compute::new(isa, 1);
        assert_eq!(made.is_ok(), Isa::available().contains(&isa));
    }
}
