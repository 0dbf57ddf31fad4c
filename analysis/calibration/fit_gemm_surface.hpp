// The ratio measured / modelled of GEMMs on a lattice of shapes (GemmSurface): robust least squares on the logarithms
// of the times, with a Gaussian prior that pulls every knot to 1 and to its neighbours. Knots without samples therefore
// continue their neighbours and end at 1.
#pragma once

#include <string>

#include "analysis/calibration/fit_gemm_formula.hpp"

namespace trainyard {

// Knots where the samples are: powers of two, closer where the GEMMs of training steps lie, and never more than a
// quarter as many as samples. No ratios yet; no knots where there are too few samples.
GemmSurface surface_lattice(const GemmSamples& samples);

// What the formula, whose own surface must be empty, leaves on this lattice. In whole percent, as profiles give it.
GemmSurface fit_surface(const GemmSamples& samples, const GemmFormula& formula, GemmSurface lattice);

// As a profile writes it: {m: [1, …], n: […], k: […], percent: [98, …]}.
std::string surface_text(const GemmSurface& surface);

}  // namespace trainyard
