// Canonical labelling of a coloured graph, for symmetry.cpp.
#pragma once

#include <cstdint>
#include <vector>

namespace trainyard {

// Vertices and edges with colours; edges are undirected, given once.
class ColouredGraph {
 public:
  struct Edge {
    int a = 0, b = 0;
    int colour = 0;
  };
  ColouredGraph(std::vector<int> colours, std::vector<Edge> edges);
  int size() const { return static_cast<int>(colours_.size()); }

  // The coarsest partition in which vertices of a cell look alike, as the cell of every vertex: 0 … size-1, a cell is
  // numbered by the vertices before it. `cells` is refined in place; returns a hash of how that went, which does not
  // depend on the numbering of the vertices.
  std::uint64_t refine(std::vector<int>& cells) const;
  std::vector<int> first_cells() const;  // vertices by colour
  // The graph under a labelling (a permutation by colour): its edges, sorted, then the colours.
  std::vector<std::uint64_t> relabelled(const std::vector<int>& label) const;

 private:
  std::vector<int> sorted_colours() const;
  std::vector<std::uint64_t> signatures(const std::vector<int>& cells, const std::vector<int>& open) const;

  std::vector<int> colours_;
  std::vector<Edge> edges_;
  std::vector<int> first_neighbour_;  // of every vertex, into neighbours_
  struct Neighbour {
    int vertex = 0;
    std::uint64_t colour = 0;
  };
  std::vector<Neighbour> neighbours_;
};

struct Labelling {
  std::vector<std::uint64_t> form;  // the least of the leaves visited
  double automorphisms = 1;         // product of orbit sizes along the first path
  bool exact = true;                // the effort was enough
};
// effort: refinements beyond those of the first path.
Labelling canonical_labelling(const ColouredGraph& graph, std::int64_t effort);

}  // namespace trainyard
