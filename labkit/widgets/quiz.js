// The sheet of a quiz: a group of radio buttons for each question. The kernel judges the answers.

function written(text, element) {
  // What stands between backticks is code.
  element.replaceChildren(
    ...text.split("`").map((piece, i) => {
      if (i % 2 === 0) return piece;
      const code = document.createElement("code");
      code.textContent = piece;
      return code;
    }),
  );
  return element;
}

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function group(model, question, place) {
  // The same quiz may be shown twice in a page, and each group needs a name of its own.
  const name = `quiz-${place}-${Math.random().toString(36).slice(2)}`;
  const choices = question.options.map((option, i) => {
    const choice = make("input", { type: "radio", name, value: i });
    const label = make("label", {}, choice, `${"abcd"[i]}. `, written(option, make("span", {})));
    return { choice, label };
  });
  const said = make("p", { role: "status" });
  const button = make("button", { type: "button" }, "Check my answer");
  button.setAttribute("aria-label", `Check my answer to question ${place + 1}`);
  button.addEventListener("click", () => {
    const answers = [...model.get("answers")];
    if (answers[place] !== null) return; // the first answer counts
    const chosen = choices.findIndex(({ choice }) => choice.checked);
    if (chosen < 0) {
      said.textContent = "Choose one of the answers first.";
      return;
    }
    answers[place] = chosen;
    model.set("answers", answers);
    model.save_changes();
  });
  const legend = make("legend", {}, `${place + 1}. `, written(question.text, make("span", {})));
  const element = make("fieldset", {}, legend, ...choices.map((c) => c.label), button, said);

  function show() {
    const answer = model.get("answers")[place];
    const verdict = model.get("verdicts")[place];
    choices.forEach(({ choice }, i) => {
      if (answer === null) return;
      choice.checked = i === answer;
      choice.disabled = true;
    });
    if (!verdict || element.className) return; // said before: not to be read out again
    button.setAttribute("aria-disabled", "true"); // not disabled: it would lose the focus
    element.className = verdict.right ? "labkit-right" : "labkit-wrong";
    written(`${verdict.right ? "✓" : "✗"} ${verdict.text}`, said);
  }
  return { element, show };
}

function render({ model, el }) {
  const groups = model.get("questions").map((question, place) => group(model, question, place));
  const score = make("p", { role: "status", class: "labkit-score" });
  const show = () => {
    groups.forEach((one) => one.show());
    score.textContent = model.get("score");
  };
  el.classList.add("labkit-quiz");
  // What JupyterLab takes for its own otherwise: an arrow key would move to another cell.
  el.dataset.lmSuppressShortcuts = "true";
  el.append(...groups.map((one) => one.element), score);
  show();
  model.on("change:answers", show);
  model.on("change:verdicts", show);
  model.on("change:score", show);
  return () => {
    model.off("change:answers", show);
    model.off("change:verdicts", show);
    model.off("change:score", show);
  };
}

export default { render };
