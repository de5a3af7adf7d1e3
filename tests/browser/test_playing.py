"""A learner plays with the panels by keyboard alone. Nothing leaves the machine."""

PIXELS = "canvas => canvas.toDataURL()"


def eventually(page, script, *, of, within=10_000):
    """Wait until something holds for an element."""
    page.wait_for_function(script, arg=of.element_handle(), timeout=within)


def says(page, words):
    """Wait until the line that screen readers read out has these words."""
    page.get_by_role("status").filter(has_text=words).wait_for(timeout=10_000)


def press(page, locator, *keys):
    locator.focus()
    for key in keys:
        page.keyboard.press(key)


def test_the_boundary_is_redrawn_while_the_network_learns(run_notebook, shots):
    source = "import labkit\nlabkit.widgets.playground()"
    with run_notebook(source) as page:
        plane = page.get_by_role("img", name="points of the data set")
        press(page, page.get_by_label("Data set", exact=True), "ArrowDown")
        eventually(page, "c => c.ariaLabel.includes('data set moons')", of=plane)
        press(page, page.get_by_label("Noise", exact=True), "ArrowDown")
        press(page, page.get_by_role("button", name="Play"), "Enter")
        says(page, "Training")
        eventually(page, "c => /After [0-9]+ epochs/.test(c.ariaLabel)", of=plane)
        early = plane.evaluate(PIXELS)
        eventually(page, "c => /After [2-9][0-9] epochs/.test(c.ariaLabel)", of=plane)
        assert plane.evaluate(PIXELS) != early, "the boundary moves"
        press(page, page.get_by_role("button", name="Pause"), "Enter")
        says(page, "Paused. Epoch")
        page.wait_for_timeout(300)
        paused = plane.evaluate(PIXELS)
        page.wait_for_timeout(1000)
        assert plane.evaluate(PIXELS) == paused, "it has stopped"
        page.screenshot(path=shots / "playground.png")
        press(page, page.get_by_role("button", name="Reset"), "Enter")
        says(page, "Begun afresh")
        eventually(page, "c => c.ariaLabel.includes('not trained yet')", of=plane)
        press(page, page.get_by_role("button", name="Step"), "Enter")
        says(page, "Epoch 1: loss")


def test_a_kernel_slides_over_a_picture(run_notebook, shots):
    source = "import labkit\nlabkit.widgets.convolution_viewer()"
    with run_notebook(source) as page:
        picture = page.get_by_role("application", name="Picture")
        result = page.get_by_role("img", name="Result")
        sums = page.locator(".widget-html pre")
        says(page, "Row 0, column 0 of the result is 25")
        before = sums.inner_text()
        press(page, picture, *["ArrowRight"] * 4, *["ArrowDown"] * 4)
        says(page, "Row 4, column 4 of the result is 19")
        assert sums.inner_text() != before and sums.inner_text().endswith("= 19")
        page.screenshot(path=shots / "convolution.png")
        edges = result.evaluate(PIXELS)
        press(page, page.get_by_label("Kernel", exact=True), "ArrowDown", "ArrowDown", "ArrowDown")
        says(page, "Row 4, column 4 of the result is 1.667")
        assert result.evaluate(PIXELS) != edges
        press(page, page.get_by_label("Kernel, row 1, column 1", exact=True), "ArrowUp", "Tab")
        eventually(page, "c => c.value === 'your own'", of=page.get_by_label("Kernel", exact=True))
        press(page, page.get_by_label("Stride", exact=True), "ArrowDown")
        says(page, "Row 4, column 4 of the result is 0")
        press(page, page.get_by_label("Padding", exact=True), "ArrowDown")
        press(page, page.get_by_label("Row", exact=True), "ArrowDown")
        says(page, "Row 3, column 4 of the result")
        press(page, page.get_by_role("button", name="Slide"), "Enter")
        says(page, "Row 3, column 5 of the result")
        press(page, page.get_by_role("button", name="Stop"), "Enter")
        page.screenshot(path=shots / "convolution-slides.png")
