// A button that does one thing at the service, after a question where it cannot be undone.  That it is done is said when the service said so.
import { useState } from 'preact/hooks';
import { texts } from '../texts';
import { Dialog } from './dialog';
import { tell, tellProblem } from './toast';

interface Props {
    label: string;
    name?: string; // for those who cannot see what stands beside it
    why?: string; // asked first, with this
    isDanger?: boolean;
    isDisabled?: boolean;
    done?: string; // said afterwards
    run: () => Promise<unknown>;
}

export function Act({ label, name, why, isDanger, isDisabled, done, run }: Props) {
    const t = texts.value;
    const [isAsked, setAsked] = useState(false);
    const [isBusy, setBusy] = useState(false);

    async function act(): Promise<void> {
        setAsked(false);
        setBusy(true);
        try {
            await run();
            if (done !== undefined) tell(done);
        } catch (error) {
            tellProblem(error);
        }
        setBusy(false);
    }
    return (
        <>
            <button type="button" class={isDanger ? 'danger' : undefined} disabled={isBusy || isDisabled} aria-label={name}
                onClick={() => (why === undefined ? void act() : setAsked(true))}>{label}</button>
            {isAsked && (
                <Dialog title={name ?? label} onClose={() => setAsked(false)}>
                    <p>{why}</p>
                    <div class="buttons">
                        <button type="button" autofocus onClick={() => setAsked(false)}>{t.cancel}</button>
                        <button type="button" class={isDanger ? 'danger' : 'main'} onClick={() => void act()}>{label}</button>
                    </div>
                </Dialog>
            )}
        </>
    );
}
