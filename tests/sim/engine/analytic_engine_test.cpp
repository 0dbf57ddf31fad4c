#include <catch2/catch.hpp>

#include "tests/support/unit_pipeline.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

// Two kinds with hand-made instructions.
Instruction instruction(int work, Stream stream) {
  Instruction i;
  i.work = work;
  i.stream = stream;
  return i;
}

}  // namespace

TEST_CASE("a send and its receive start when both are ready and end together") {
  StepProgram program;
  program.works = {Block{}, Send{Bytes(1), 0, 0}, Receive{Bytes(1), 0, 0}, Block{}};
  RankKind sender, receiver;
  sender.instructions = {instruction(0, Stream::compute), instruction(1, Stream::send_forward)};
  sender.instructions[1].after_count = 1;
  sender.after = {InstructionId(0)};
  receiver.instructions = {instruction(2, Stream::receive_forward), instruction(3, Stream::compute)};
  receiver.instructions[1].after_count = 1;
  receiver.after = {InstructionId(0)};
  program.kinds = {sender, receiver};
  PricedProgram prices;
  prices.works.resize(4);
  prices.works[0].duration = 5_s;
  prices.works[1].duration = prices.works[2].duration = 2_s;
  prices.works[3].duration = 1_s;
  const Timeline t = run_analytic(program, prices);
  CHECK(t.spans[0][1] == Span{5_s, 7_s});
  CHECK(t.spans[1][0] == Span{5_s, 7_s});
  CHECK(t.spans[1][1] == Span{7_s, 8_s});
  CHECK(t.makespan == 8_s);
}

TEST_CASE("a collective of several kinds starts with its last party") {
  StepProgram program;
  Collective meeting;
  meeting.parties = 3;
  meeting.rendezvous = 7;
  program.works = {Block{}, Block{}, Block{}, meeting};
  for (int k = 0; k < 3; ++k) {
    RankKind kind;
    kind.instructions = {instruction(k, Stream::compute), instruction(3, Stream::dp)};
    kind.instructions[1].after_count = 1;
    kind.after = {InstructionId(0)};
    program.kinds.push_back(kind);
  }
  PricedProgram prices;
  prices.works.resize(4);
  prices.works[0].duration = 1_s;
  prices.works[1].duration = 4_s;
  prices.works[2].duration = 2_s;
  prices.works[3].duration = 1_s;
  const Timeline t = run_analytic(program, prices);
  for (std::size_t k = 0; k < 3; ++k) CHECK(t.spans[k][1] == Span{4_s, 5_s});
}

TEST_CASE("a program that cannot finish names each blocked stage and what it waits for") {
  StepProgram program = program_of({.stages = 2, .micro_batches = 2});
  const PricedProgram prices = prices_of({.stages = 2, .micro_batches = 2}, program);
  // The second stage never receives its first micro-batch.
  auto& instructions = program.kinds[1].instructions;
  for (Instruction& i : instructions)
    if (i.stream == Stream::receive_forward)
      i.work = program.kinds[0].instructions.front().work, i.stream = Stream::host;
  try {
    run_analytic(program, prices);
    FAIL("a stuck program finished");
  } catch (const StuckProgram& e) {
    CHECK_THAT(e.what(), Catch::Contains("stage 0") && Catch::Contains("waits for the other end of a message that no rank posts"));
  }
}

TEST_CASE("no two spans of a stream overlap and nothing starts before what it waits for") {
  for (int chunks : {1, 2}) {
    const UnitPipeline u{.stages = 4,
                         .micro_batches = 8,
                         .chunks = chunks,
                         .schedule = chunks == 1 ? "1f1b" : "interleaved",
                         .hop = 0.3};
    const StepProgram program = program_of(u);
    const Timeline t = run_analytic(program, prices_of(u, program));
    for (std::size_t k = 0; k < program.kinds.size(); ++k) {
      std::array<Seconds, streams> free{};
      const RankKind& kind = program.kinds[k];
      for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
        Seconds& stream_free = free[static_cast<std::size_t>(kind.instructions[i].stream)];
        CHECK(t.spans[k][i].start >= stream_free);
        stream_free = t.spans[k][i].end;
        for (int a = 0; a < kind.instructions[i].after_count; ++a)
          CHECK(t.spans[k][i].start >=
                t.spans[k][kind.after[static_cast<std::size_t>(kind.instructions[i].after_begin + a)].index()].end);
      }
    }
  }
}

TEST_CASE("lists in an order that cannot be executed as it stands still run if their streams can") {
  // Each kind lists the send that the other waits for behind its own receive's consumer.
  StepProgram program;
  program.works = {Send{Bytes(1), 0, 0}, Receive{Bytes(1), 0, 0}, Send{Bytes(1), 0, 1}, Receive{Bytes(1), 0, 1},
                   Block{}};
  RankKind a, b;
  a.instructions = {instruction(3, Stream::receive_forward), instruction(4, Stream::compute),
                    instruction(0, Stream::send_forward)};
  b.instructions = {instruction(1, Stream::receive_forward), instruction(4, Stream::compute),
                    instruction(2, Stream::send_forward)};
  for (RankKind* kind : {&a, &b}) {
    kind->instructions[1].after_count = 1;
    kind->after = {InstructionId(0)};
  }
  program.kinds = {a, b};
  PricedProgram prices;
  prices.works.resize(5);
  for (WorkPrice& p : prices.works) p.duration = 1_s;
  CHECK(run_analytic(program, prices).makespan == 2_s);  // both messages at once, then both blocks
}

TEST_CASE("equal inputs give equal timelines") {
  const UnitPipeline u{.stages = 8, .micro_batches = 16, .chunks = 2, .schedule = "interleaved", .hop = 0.1};
  const StepProgram program = program_of(u);
  const PricedProgram prices = prices_of(u, program);
  CHECK(run_analytic(program, prices) == run_analytic(program, prices));
}
