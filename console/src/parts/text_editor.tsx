// A text with numbers of lines, one of which may be marked as the place of a fault.
import { useRef } from 'preact/hooks';

interface Props {
    label: string;
    text: string;
    onChange: (text: string) => void;
    wrong: { line: number; sentence: string } | null;
}

const ROWS_MIN = 12;

export function TextEditor({ label, text, onChange, wrong }: Props) {
    const area = useRef<HTMLTextAreaElement>(null);
    const lines = text.split('\n').length;
    function show(line: number): void {
        const from = text.split('\n').slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
        const end = text.indexOf('\n', from);
        area.current?.focus();
        area.current?.setSelectionRange(from, end < 0 ? text.length : end);
    }
    return (
        <div class="editor">
            <div class="lines">
                <pre aria-hidden="true">{Array.from({ length: Math.max(lines, ROWS_MIN) }, (_, i) => (
                    <span key={i} class={wrong?.line === i + 1 ? 'bad' : undefined}>{i < lines ? i + 1 : ' '}{'\n'}</span>
                ))}</pre>
                <textarea ref={area} aria-label={label} spellcheck={false} autocomplete="off" wrap="off" rows={Math.max(lines, ROWS_MIN)} value={text}
                    aria-invalid={wrong !== null} aria-describedby={wrong === null ? undefined : 'editor-wrong'} onInput={(event) => onChange(event.currentTarget.value)} />
            </div>
            {wrong !== null && <p class="wrong" id="editor-wrong" role="alert"><button type="button" class="quiet" onClick={() => show(wrong.line)}>{wrong.sentence}</button></p>}
        </div>
    );
}
