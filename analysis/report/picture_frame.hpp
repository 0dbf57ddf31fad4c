// What every static picture of a report has in common: size, names of ids and the colours that the page decides on.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace trainyard {

// `width` of the viewBox; one unit is one CSS pixel where the picture is shown at that width: 340 for a phone (a narrow
// layout), up to 1200. Text is 12 units high, so show a picture at the width it was drawn for, or not much below.
struct PictureFrame {
  std::string id = "picture";  // prefix of the ids inside, unique on the page; letters, digits and '-'
  double width = 960;
};

// The custom properties that pictures paint with. Without a page that sets them a picture uses the light value.
struct PictureColour {
  std::string_view property;  // "--c-forward"
  std::string_view light, dark;
};
// Data colours: Okabe & Ito 2008, "Color Universal Design", lightened where the ground is dark. `--fg`, `--muted`,
// `--grid` and `--bg` are text, quiet text, lines and ground, `--on-light` text on a bar that is light in both.
inline constexpr std::array picture_colours = {
    PictureColour{"--fg", "#1b1f24", "#e6e8eb"},          PictureColour{"--muted", "#57606a", "#a3abb5"},
    PictureColour{"--grid", "#d0d7de", "#3a414b"},        PictureColour{"--bg", "#ffffff", "#16191d"},
    PictureColour{"--c-forward", "#0072b2", "#4aa8e0"},   PictureColour{"--c-backward", "#e69f00", "#f0b840"},
    PictureColour{"--c-weight", "#009e73", "#2fc79a"},    PictureColour{"--c-communication", "#cc79a7", "#e39cc4"},
    PictureColour{"--c-optimizer", "#7a5195", "#b48ed1"}, PictureColour{"--c-idle", "#eceff2", "#262b32"},
    PictureColour{"--c-other", "#8c959f", "#7d8690"},     PictureColour{"--c-limit", "#d55e00", "#ff8b3d"},
    PictureColour{"--c-yellow", "#f0e442", "#f0e442"},    PictureColour{"--c-sky", "#56b4e9", "#7cc8f2"},
    PictureColour{"--on-light", "#1b1f24", "#1b1f24"},
};
// "--fg:#1b1f24;--muted:…", for a rule of the page.
std::string picture_properties(bool dark);

}  // namespace trainyard
